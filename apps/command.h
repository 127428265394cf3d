#pragma once

namespace espalier::apps {

// The `espalier` program. Returns its exit code: 0 done, 1 failed, 2 wrong use.
int command(int argc, char** argv);

}  // namespace espalier::apps
