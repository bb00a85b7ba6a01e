#include "cuda/cublas_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "cuda/error.h"

namespace ht::cuda::cublas {
namespace {

// A folder, ending in a slash; empty where the loader is to search. `file` is the name of libcublas in it, if the user named one.
struct Place {
  std::string folder, file;
};

std::string wanted(int major) { return "this build needs cuBLAS " + std::to_string(major); }

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

void add_matching(std::vector<Place>& places, const std::string& pattern) {
  glob_t found;
  if (glob(pattern.c_str(), GLOB_MARK, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; ++i) places.push_back({found.gl_pathv[i], ""});
  globfree(&found);
}

std::vector<Place> places(int major) {
  if (const char* given = std::getenv("HYPERTUNE_CUBLAS")) {
    const std::string path = given;
    struct stat s;
    const bool there = stat(given, &s) == 0;
    if (there && S_ISDIR(s.st_mode)) return {{path + "/", ""}};
    if (!there && path.find('/') != std::string::npos) throw Failure{HT_NO_CUBLAS, wanted(major) + "; HYPERTUNE_CUBLAS names " + path + ", which is not there"};
    return {{folder_of(path), path.substr(path.rfind('/') + 1)}};
  }
  std::vector<Place> out;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&open_library), &self) && self.dli_fname) out.push_back({folder_of(self.dli_fname), ""});
  out.push_back({"", ""});
  const std::string wheel = major >= 13 ? "/nvidia/cu" + std::to_string(major) + "/lib" : "/nvidia/cublas/lib";
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* prefix = std::getenv(name)) add_matching(out, prefix + ("/lib/python3*/site-packages" + wheel));
  if (const char* home = std::getenv("HOME")) add_matching(out, home + ("/.local/lib/python3*/site-packages" + wheel));
  for (const char* packages : {"/usr/local/lib/python3*/site-packages", "/usr/local/lib/python3*/dist-packages", "/usr/lib/python3/dist-packages"}) add_matching(out, packages + wheel);
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* home = std::getenv(name)) add_matching(out, std::string(home) + "/lib64");
  for (const char* toolkit : {"/usr/local/cuda", "/opt/cuda"}) add_matching(out, toolkit + std::string("/lib64"));
  add_matching(out, "/usr/local/cuda-" + std::to_string(major) + "*/lib64");
  return out;
}

template <class F>
bool look_up(void* library, F& f, const char* name) {
  f = reinterpret_cast<F>(dlsym(library, name));
  return f != nullptr;
}

// Null, or the name of what is missing.
const char* look_up_all(void* lt, void* cublas, Functions& f) {
#define LOOK_UP(library, member, name) \
  if (!look_up(library, f.member, name)) return name
  LOOK_UP(lt, lt_version, "cublasLtGetVersion");
  LOOK_UP(lt, lt_create, "cublasLtCreate");
  LOOK_UP(lt, lt_destroy, "cublasLtDestroy");
  LOOK_UP(lt, desc_create, "cublasLtMatmulDescCreate");
  LOOK_UP(lt, desc_destroy, "cublasLtMatmulDescDestroy");
  LOOK_UP(lt, desc_set, "cublasLtMatmulDescSetAttribute");
  LOOK_UP(lt, layout_create, "cublasLtMatrixLayoutCreate");
  LOOK_UP(lt, layout_destroy, "cublasLtMatrixLayoutDestroy");
  LOOK_UP(lt, preference_create, "cublasLtMatmulPreferenceCreate");
  LOOK_UP(lt, preference_destroy, "cublasLtMatmulPreferenceDestroy");
  LOOK_UP(lt, preference_set, "cublasLtMatmulPreferenceSetAttribute");
  LOOK_UP(lt, heuristic, "cublasLtMatmulAlgoGetHeuristic");
  LOOK_UP(lt, matmul, "cublasLtMatmul");
  LOOK_UP(cublas, create, "cublasCreate_v2");
  LOOK_UP(cublas, destroy, "cublasDestroy_v2");
  LOOK_UP(cublas, set_stream, "cublasSetStream_v2");
  LOOK_UP(cublas, set_math_mode, "cublasSetMathMode");
  LOOK_UP(cublas, set_workspace, "cublasSetWorkspace_v2");
  LOOK_UP(cublas, get_version, "cublasGetVersion_v2");
  LOOK_UP(cublas, gemm_ex, "cublasGemmEx");
#undef LOOK_UP
  return nullptr;
}

class Search {
 public:
  explicit Search(int major) : major_(major) {}

  // cuBLASLt first: libcublas needs the same version of it, and finds it by name once it is loaded.
  bool try_place(const Place& place, const std::string& suffix) {
    const std::string name = place.file.empty() ? "libcublas.so" + suffix : place.file;
    const std::string lt_path = place.folder + "libcublasLt" + name.substr(std::min(name.find(".so"), name.size()));
    if (!place.folder.empty() && access(lt_path.c_str(), F_OK) != 0) {
      if (tried.find(" in " + place.folder) == std::string::npos) note(tried, "none in " + place.folder);
      return false;
    }
    void* lt = open(lt_path);
    if (!lt) return false;
    const std::string path = place.folder + name;
    void* cublas = open(path);
    if (cublas && accept(lt, cublas, path)) return true;
    if (cublas) dlclose(cublas);
    dlclose(lt);
    return false;
  }

  Library found;
  std::string tried, wrong;

 private:
  void* open(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) note(tried, dlerror());
    return library;
  }
  bool accept(void* lt, void* cublas, const std::string& path) {
    if (const char* missing = look_up_all(lt, cublas, found.functions)) {
      note(wrong, path + " lacks " + missing);
      return false;
    }
    found.version = static_cast<int>(found.functions.lt_version());
    if (found.version / 10000 != major_) {
      note(wrong, path + " is cuBLAS " + version_text(found.version));
      return false;
    }
    found.path = path;
    return true;
  }
  static void note(std::string& list, const std::string& text) { list += (list.empty() ? "" : "; ") + text; }

  int major_;
};

}  // namespace

std::string version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." + std::to_string(version % 100);
}

Library open_library() {
  int runtime = 0;
  check(cudaRuntimeGetVersion(&runtime), "runtime version");
  const int major = runtime / 1000;
  const auto suffix = [](int version) { return "." + std::to_string(version); };
  Search search(major);
  const std::vector<Place> everywhere = places(major);
  for (const Place& place : everywhere)
    if (search.try_place(place, suffix(major)) || (place.file.empty() && search.try_place(place, ""))) return search.found;
  // None: is it that another version is installed?
  Search others(major);
  for (const Place& place : everywhere)
    for (int version : {major - 1, major + 1})
      if (place.file.empty()) others.try_place(place, suffix(version));
  const std::string wrong = search.wrong.empty() ? others.wrong : search.wrong;
  if (!wrong.empty()) throw Failure{HT_CUBLAS_VERSION, wanted(major) + ", but " + wrong};
  throw Failure{HT_NO_CUBLAS, wanted(major) + ", which was not found (" + search.tried + ")"};
}

}  // namespace ht::cuda::cublas
