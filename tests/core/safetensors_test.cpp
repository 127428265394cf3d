#include "core/io/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier {
namespace {

TensorFile sample() {
  TensorFile file;
  file.tensors["weight"] = Tensor::from<float>(std::vector<float>{1.5f, -0.0f, NAN, INFINITY}, {2, 2});
  file.tensors["double"] = Tensor::from<double>(std::vector<double>{1e-300}, {1});
  file.tensors["mask"] = Tensor::from<uint8_t>(std::vector<uint8_t>{0, 1, 255}, {3, 1});
  file.tensors["codes"] = Tensor::from<int32_t>(std::vector<int32_t>{-1, INT32_MAX}, {2});
  file.tensors["steps"] = Tensor::from<int64_t>(std::vector<int64_t>{INT64_MIN}, {});
  file.tensors["empty"] = Tensor::from<float>(std::vector<float>{}, {0, 7});
  file.metadata = {{"network", "{\"layers\": []}"}, {"née", "line\nline"}};
  return file;
}

void check_equal(const TensorFile& a, const TensorFile& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    INFO(name);
    REQUIRE(b.tensors.contains(name));
    const Tensor& other = b.tensors.at(name);
    CHECK(tensor.dtype() == other.dtype());
    REQUIRE(tensor.shape() == other.shape());
    CHECK(std::memcmp(tensor.raw(), other.raw(), tensor.bytes()) == 0);
  }
}

TensorFile decode(const std::string& bytes) {
  return decode_safetensors(std::as_bytes(std::span(bytes)), "x.st");
}

std::string with_header(const std::string& header, const std::string& data = {}) {
  const uint64_t length = header.size();
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, 8);
  return result + header + data;
}

// A file of one tensor "a" with these fields and eight bytes of data.
std::string with_tensor(const std::string& fields) {
  return with_header("{\"a\":{" + fields + "}}", "12345678");
}

TEST_CASE("tensors of every dtype and metadata come back bit for bit") {
  const TensorFile file = sample();
  check_equal(file, decode(encode_safetensors(file)));
  check_equal({}, decode(encode_safetensors({})));
}

TEST_CASE("the bytes of a file depend only on its contents, and data begin at a multiple of eight") {
  const std::string bytes = encode_safetensors(sample());
  CHECK(bytes == encode_safetensors(decode(bytes)));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  TensorFile one;
  one.tensors["a"] = Tensor::from<uint8_t>(std::vector<uint8_t>{'x', 'y'}, {2});
  const std::string header = R"({"a":{"data_offsets":[0,2],"dtype":"U8","shape":[2]}})";
  CHECK(encode_safetensors(one) == with_header(header + std::string(8 - header.size() % 8, ' '), "xy"));
}

TEST_CASE("a file is written and read by its path, and errors name it") {
  const test::TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  write_safetensors(path, sample());
  check_equal(sample(), read_safetensors(path));
  CHECK(read_text(path) == encode_safetensors(sample()));
  write_file(path, "short");
  CHECK_ERROR(read_safetensors(path),
              path.string() + ": [safetensors] the file has 5 bytes; expected at least 8");
}

TEST_CASE("a file of the official library reads as it was meant") {
  const TensorFile file = read_safetensors(ESPALIER_SOURCE_DIR "/tests/golden/official.safetensors");
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "np"}, {"née", "\"quoted\"\n"}});
  REQUIRE(file.tensors.size() == 6);
  const Tensor& weight = file.tensors.at("conv.weight");
  CHECK(weight.shape() == Shape{2, 3, 4});
  for (int i = 0; i < 24; ++i) CHECK(weight.to_vector<float>()[i] == static_cast<float>(i) / 8);
  CHECK(file.tensors.at("statistics").to_vector<double>() == std::vector<double>{1e-300, -0.5, INFINITY});
  CHECK(file.tensors.at("mask").to_vector<uint8_t>() == std::vector<uint8_t>{0, 1, 255});
  CHECK(file.tensors.at("mask").shape() == Shape{1, 3});
  CHECK(file.tensors.at("codes").to_vector<int32_t>() == std::vector<int32_t>{-1, INT32_MAX});
  CHECK(file.tensors.at("steps").to_vector<int64_t>() == std::vector<int64_t>{-(int64_t{1} << 62)});
  CHECK(file.tensors.at("steps").shape() == Shape{});
  CHECK(file.tensors.at("empty").shape() == Shape{0, 5});
}

TEST_CASE("a header that is too long, too short or not JSON is refused") {
  CHECK_ERROR(decode(std::string(8, '\xff')), "the header claims 18446744073709551615 bytes; the file has 0");
  CHECK_ERROR(decode(with_header("{}").substr(0, 9)), "the header claims 2 bytes; the file has 1");
  CHECK_ERROR(decode(with_header("")), "does not begin with '{'");
  CHECK_ERROR(decode(with_header(" {}")), "does not begin with '{'");
  CHECK_ERROR(decode(with_header("{\"a\":")), "not JSON");
  CHECK_ERROR(decode(with_header("{} {}")), "not JSON");
  CHECK_ERROR(decode(with_header("{\"\xff\":{}}")), "not JSON");
  CHECK(decode(with_header("{}   ")).tensors.empty());
}

TEST_CASE("names, fields and metadata keys that come twice are refused") {
  const std::string a = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK_ERROR(decode(with_header("{" + a + "," + a + "}")), "the name 'a' comes twice");
  CHECK_ERROR(decode(with_header(R"({"__metadata__":{},"__metadata__":{}})")),
              "the name '__metadata__' comes twice");
  CHECK_ERROR(decode(with_header(R"({"__metadata__":{"k":"1","k":"2"}})")),
              "the metadata key 'k' comes twice");
  for (const std::string field : {R"("dtype":"U8")", R"("shape":[8])", R"("data_offsets":[0,8])"})
    CHECK_ERROR(decode(with_tensor(field + "," + field)), "' twice");
}

TEST_CASE("whatever the format does not allow at its place is refused by name") {
  CHECK_ERROR(decode(with_header(R"({"a":5})")), "'a' is the number 5; expected an object");
  CHECK_ERROR(decode(with_header(R"({"a":null})")), "'a' is null; expected an object");
  CHECK_ERROR(decode(with_header(R"({"__metadata__":{"k":5}})")),
              "metadata 'k' is the number 5; expected a text");
  CHECK_ERROR(decode(with_header(R"({"__metadata__":{"k":{}}})")),
              "metadata 'k' is an object; expected a text");
  CHECK_ERROR(decode(with_tensor(R"("type":"U8")")),
              "has the field 'type'; expected dtype, shape and data_offsets");
  CHECK_ERROR(decode(with_tensor(R"("dtype":"BF16")")), "has dtype 'BF16'");
  CHECK_ERROR(decode(with_tensor(R"("dtype":4)")), "tensor 'a' has the number 4 as its dtype");
  CHECK_ERROR(decode(with_tensor(R"("shape":"8")")), "tensor 'a' has a text as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":8)")), "tensor 'a' has the number 8 as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":[true])")), "tensor 'a' has a boolean as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":[[8]])")), "tensor 'a' has an array as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":[{}])")), "tensor 'a' has an object as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":[-8])")), "tensor 'a' has the negative number -8 as its shape");
  CHECK_ERROR(decode(with_tensor(R"("shape":[8.0])")), "tensor 'a' has 8.0, which is not an integer");
  CHECK_ERROR(decode(with_tensor(R"("dtype":"U8","shape":[8])")),
              "lacks one of dtype, shape and data_offsets");
  CHECK_ERROR(decode(with_header("{\"a\":" + std::string(1000000, '['))),
              "'a' is an array; expected an object");
}

TEST_CASE("numbers beyond their range are refused") {
  CHECK_ERROR(decode(with_tensor(R"("shape":[9223372036854775808])")), "beyond 63 bits");
  CHECK_ERROR(decode(with_tensor(R"("shape":[99999999999999999999])")), "not an integer of 64 bits");
  CHECK_ERROR(decode(with_tensor(R"("shape":[1,1,1,1,1,1,1])")), "more than 6 numbers in its shape");
  CHECK_ERROR(decode(with_tensor(R"("data_offsets":[0,4,8])")), "more than 2 numbers in its data_offsets");
  const std::string rest = R"(,"dtype":"F64","data_offsets":[0,8])";
  CHECK_ERROR(decode(with_tensor(R"("shape":[4294967296,4294967296])" + rest)),
              "more elements than 64 bits count");
  // 2^61 + 1 doubles: the product with the item size wraps around to 8 in 64 bits.
  CHECK_ERROR(decode(with_tensor(R"("shape":[2305843009213693953])" + rest)), "has 8 bytes; F64");
}

TEST_CASE("tensors must tile the data exactly") {
  const auto one = [](const std::string& offsets) {
    return with_tensor(R"("dtype":"U8","shape":[8],"data_offsets":)" + offsets);
  };
  CHECK(decode(one("[0,8]")).tensors.at("a").to_vector<uint8_t>().back() == '8');
  CHECK_ERROR(decode(one("[0]")), "has 1 data_offsets; expected 2");
  CHECK_ERROR(decode(one("[8,0]")), "has data_offsets [8, 0]; expected 0 <= begin <= end <= 8");
  CHECK_ERROR(decode(one("[1,9]")), "has data_offsets [1, 9]; expected 0 <= begin <= end <= 8");
  CHECK_ERROR(decode(one("[0,7]")), "tensor 'a' has 7 bytes; U8 (8) needs 8 elements");
  CHECK_ERROR(decode(one("[0,8]") + "9"), "the tensors end at 8, the data at 9");
  const auto two = [](const std::string& a, const std::string& b) {
    const std::string fields = R"({"dtype":"U8","shape":[4],"data_offsets":)";
    return with_header("{\"a\":" + fields + a + "},\"b\":" + fields + b + "}}", "12345678");
  };
  CHECK(decode(two("[4,8]", "[0,4]")).tensors.at("b").to_vector<uint8_t>().front() == '1');
  CHECK_ERROR(decode(two("[0,4]", "[2,6]")), "tensor 'b' begins at 2; the tensors before it end at 4");
  CHECK_ERROR(decode(two("[0,4]", "[0,4]")), "begins at 0; the tensors before it end at 4");
  CHECK_ERROR(decode(two("[1,5]", "[4,8]")), "tensor 'a' begins at 1; the tensors before it end at 0");
}

TEST_CASE("what cannot be read back is not written") {
  TensorFile reserved;
  reserved.tensors["__metadata__"] = Tensor::from<float>(std::vector<float>{1}, {1});
  CHECK_ERROR(encode_safetensors(reserved), "'__metadata__' cannot name a tensor");
  TensorFile undefined;
  undefined.tensors["a"] = Tensor();
  CHECK_ERROR(encode_safetensors(undefined), "tensor 'a' is not on the host");
  TensorFile not_utf8;
  not_utf8.metadata["a"] = "\xff";
  CHECK_ERROR(encode_safetensors(not_utf8), "not UTF-8");
}

}  // namespace
}  // namespace espalier
