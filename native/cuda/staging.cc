#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace ht::cuda {
namespace {

constexpr size_t kPiece = 4 << 20, kPieces = 4, kFirstRing = 1 << 20, kDownloadAtOnce = 8 << 20, kAlign = 16;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

char* pinned(size_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "pinned memory");
  return static_cast<char*>(memory);
}

}  // namespace

Staging::~Staging() {
  for (Piece& p : pieces_) {
    cudaEventDestroy(p.copied);
    cudaFreeHost(p.memory);
  }
  if (ring_) cudaFreeHost(ring_);
}

// A piece's event is recorded when it is left, so many small uploads share one.
Staging::Piece& Staging::piece_with_room() {
  if (!pieces_.empty() && pieces_[current_].used < kPiece) return pieces_[current_];
  if (!pieces_.empty()) check(cudaEventRecord(pieces_[current_].copied, stream_), "upload");
  if (pieces_.size() < kPieces) {
    Piece p;
    p.memory = pinned(kPiece);
    pieces_.push_back(p);
    check(cudaEventCreateWithFlags(&pieces_.back().copied, cudaEventDisableTiming), "event");
    current_ = pieces_.size() - 1;
  } else {
    current_ = (current_ + 1) % kPieces;
    check(cudaEventSynchronize(pieces_[current_].copied), "upload");
    pieces_[current_].used = 0;
  }
  return pieces_[current_];
}

void Staging::upload(void* device, const void* host, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    Piece& p = piece_with_room();
    const size_t n = std::min(kPiece - p.used, bytes - done);
    std::memcpy(p.memory + p.used, static_cast<const char*>(host) + done, n);
    check(cudaMemcpyAsync(static_cast<char*>(device) + done, p.memory + p.used, n, cudaMemcpyHostToDevice, stream_), "upload");
    p.used = aligned(p.used + n);
    done += n;
  }
}

// Where `bytes` fit in the ring. Waits for everything when it is full, and grows it then if it is too small.
size_t Staging::place(size_t bytes) {
  if (pending_.empty()) end_ = 0;
  const size_t begin = pending_.empty() ? 0 : pending_.front().offset;
  const bool wrapped = !pending_.empty() && end_ <= begin;
  if (end_ + bytes <= (wrapped ? begin : ring_bytes_)) return end_;
  if (!wrapped && bytes <= begin) return 0;
  check(cudaStreamSynchronize(stream_), "download");
  deliver(downloads());
  if (bytes > ring_bytes_) {
    if (ring_) check(cudaFreeHost(ring_), "pinned memory");
    ring_ = nullptr;
    ring_bytes_ = 0;
    ring_ = pinned(std::max(bytes, kFirstRing));
    ring_bytes_ = std::max(bytes, kFirstRing);
  }
  return 0;
}

void Staging::download(void* host, const void* device, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const size_t n = std::min(kDownloadAtOnce, bytes - done), at = place(aligned(n));
    check(cudaMemcpyAsync(ring_ + at, static_cast<const char*>(device) + done, n, cudaMemcpyDeviceToHost, stream_), "download");
    pending_.push_back({static_cast<char*>(host) + done, at, n});
    end_ = at + aligned(n);
    done += n;
  }
}

void Staging::deliver(uint64_t until) {
  for (; delivered_ < until && !pending_.empty(); ++delivered_) {
    const Download& d = pending_.front();
    std::memcpy(d.host, ring_ + d.offset, d.bytes);
    pending_.pop_front();
  }
}

void Staging::drop() {
  delivered_ += pending_.size();
  pending_.clear();
}

}  // namespace ht::cuda
