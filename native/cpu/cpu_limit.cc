#include "cpu/cpu_limit.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace ht::cpu {
namespace {

// Empty where there is no such file. C files, here and in the engine: streams would double the C++ runtime in prebuilt binaries.
std::string text_of(const std::string& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (!file) return text;
  char piece[1024];
  while (const size_t count = std::fread(piece, 1, sizeof piece, file)) text.append(piece, count);
  std::fclose(file);
  return text;
}

// quota / period in whole CPUs; 0 when unlimited or unreadable.
int whole_cpus(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  return std::max(1, static_cast<int>(std::min(quota / period, 1e6)));
}

int quota_v2(const std::string& folder) {  // "max 100000" or "150000 100000"
  double quota = 0, period = 0;
  return std::sscanf(text_of(folder + "/cpu.max").c_str(), "%lf %lf", &quota, &period) == 2 ? whole_cpus(quota, period) : 0;
}

int quota_v1(const std::string& folder) {  // -1 means unlimited
  double quota = 0, period = 0;
  if (std::sscanf(text_of(folder + "/cpu.cfs_quota_us").c_str(), "%lf", &quota) != 1) return 0;
  if (std::sscanf(text_of(folder + "/cpu.cfs_period_us").c_str(), "%lf", &period) != 1) return 0;
  return whole_cpus(quota, period);
}

// The tightest quota from `path` (as seen below `mount`) up to the mount itself.
template <class Read>
int tightest(const std::string& mount, std::string path, const Read& read) {
  int found = 0;
  for (;;) {
    const int quota = read(mount + path);
    if (quota > 0) found = found ? std::min(found, quota) : quota;
    const size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return found;
    path.resize(slash);
  }
}

bool lists(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

int cgroup_cpu_quota(const std::string& proc_cgroup, const std::string& mount) {
  int found = 0;
  const std::string text = text_of(proc_cgroup);
  for (size_t start = 0, end; start < text.size(); start = end + 1) {  // "id:controllers:/path"; version 2 has id 0 and no controllers
    end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    int quota = 0;
    if (controllers.empty()) quota = tightest(mount, path, quota_v2);
    else if (lists(controllers, "cpu")) quota = tightest(mount + "/cpu", path, quota_v1);
    if (quota > 0) found = found ? std::min(found, quota) : quota;
  }
  return found;
}

int cpu_limit() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  count = std::max(1, count);
  const int quota = cgroup_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  return quota > 0 ? std::min(count, quota) : count;
}

}  // namespace ht::cpu
