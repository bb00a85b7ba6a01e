// How many CPUs this process may really use: what a container grants, not what the machine has.
#pragma once
#include <string>

namespace ht::cpu {

// The smallest of the affinity mask's CPUs and the cgroup's quota (whole CPUs, at least 1).
int cpu_limit();

// CPU quota of the cgroup of this process in whole CPUs (rounded down, at least 1), 0 where there is none. Reads both
// cgroup versions and every ancestor, since the tightest one counts. `proc_cgroup` is normally /proc/self/cgroup and
// `mount` /sys/fs/cgroup.
int cgroup_cpu_quota(const std::string& proc_cgroup, const std::string& mount);

}  // namespace ht::cpu
