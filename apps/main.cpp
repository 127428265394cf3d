#include "apps/command.h"

int main(int argc, char** argv) {
  return espalier::apps::command(argc, argv);
}
