// What a native bench measured, for `npm run bench`: with `--json FILE` among the arguments, written there at the end.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace ht {

class Results {
 public:
  // Takes `--json FILE` out of the arguments.
  Results(int& argc, char** argv) {
    for (int i = 1; i + 1 < argc; ++i) {
      if (std::strcmp(argv[i], "--json") != 0) continue;
      path_ = argv[i + 1];
      for (int j = i; j + 2 < argc; ++j) argv[j] = argv[j + 2];
      argc -= 2;
      return;
    }
  }

  // share: of the ceiling, or of the time, that the bench names; below 0: none.
  void add(const char* bench, const std::string& name, const char* dtype, int64_t rows, double value, const char* unit, double share = -1) {
    char line[512];
    int n = std::snprintf(line, sizeof line, "%s{\"bench\": \"%s\", \"name\": \"%s\", \"dtype\": \"%s\", \"rows\": %lld, \"value\": %.6g, \"unit\": \"%s\"", text_.empty() ? "" : ",\n  ", bench,
                          name.c_str(), dtype, static_cast<long long>(rows), value, unit);
    if (share >= 0) n += std::snprintf(line + n, sizeof line - static_cast<size_t>(n), ", \"share\": %.4f", share);
    text_.append(line, static_cast<size_t>(n)).append("}");
  }

  // False where the file cannot be written.
  bool write() const {
    if (path_.empty()) return true;
    std::FILE* const file = std::fopen(path_.c_str(), "w");
    if (!file) return false;
    const bool wrote = std::fprintf(file, "{\"results\": [\n  %s\n]}\n", text_.c_str()) > 0;
    return std::fclose(file) == 0 && wrote;
  }

 private:
  std::string path_, text_;
};

}  // namespace ht
