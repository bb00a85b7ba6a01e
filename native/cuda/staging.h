// Pinned host memory between pageable memory of the caller and the device, so that copies need not wait for one another.
// Uploads fill pieces that are used again once the copies out of them have finished. Downloads land in a ring and reach the
// caller's memory when the stream is known to have come past them.
#pragma once
#include <deque>
#include <vector>

#include "cuda/error.h"

namespace ht::cuda {

class Staging {
 public:
  explicit Staging(cudaStream_t stream) : stream_(stream) {}
  ~Staging();
  // `host` may be changed on return.
  void upload(void* device, const void* host, size_t bytes);
  // `host` must stay until it is delivered.
  void download(void* host, const void* device, size_t bytes);
  // Number of downloads so far.
  uint64_t downloads() const { return delivered_ + pending_.size(); }
  // Hands out the downloads before that number; their copies have finished.
  void deliver(uint64_t until);
  // Forgets downloads whose stream has failed.
  void drop();

 private:
  struct Piece {
    char* memory = nullptr;
    size_t used = 0;
    cudaEvent_t copied = nullptr;
  };
  struct Download {
    void* host;
    size_t offset, bytes;
  };
  Piece& piece_with_room();
  size_t place(size_t bytes);

  cudaStream_t stream_;
  std::vector<Piece> pieces_;
  size_t current_ = 0;
  char* ring_ = nullptr;
  size_t ring_bytes_ = 0, end_ = 0;
  std::deque<Download> pending_;
  uint64_t delivered_ = 0;
};

}  // namespace ht::cuda
