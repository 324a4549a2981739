// Functions of libtorch that tch 0.24 does not expose: bf16 autocast on any device, channels-last, TF32,
// flushing subnormal (denormal) floats to zero, copies through pinned memory, the free memory of a GPU, and
// the fused Adam. Every function returns null on success or an error message that the caller frees with
// mhkd_free. No exception leaves this file.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

namespace {
template <typename Body> char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}

at::TensorList list(at::Tensor *const *pointers, size_t count, std::vector<at::Tensor> &held) {
  held.clear();
  held.reserve(count);
  for (size_t i = 0; i < count; ++i) held.push_back(*pointers[i]);
  return held;
}

at::DeviceType device_type(bool cuda) { return cuda ? at::kCUDA : at::kCPU; }
} // namespace

extern "C" {
void mhkd_free(char *message) { std::free(message); }

char *mhkd_autocast_begin(bool cuda) {
  return guarded([&] {
    at::autocast::set_autocast_dtype(device_type(cuda), at::kBFloat16);
    at::autocast::set_autocast_enabled(device_type(cuda), true);
    at::autocast::increment_nesting();
  });
}

// Clears the cache of cast weights, because the optimiser step changes the weights.
char *mhkd_autocast_end(bool cuda) {
  return guarded([&] {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_type(cuda), false);
  });
}

// Disables autocast for a part of a step that must run in f32, or enables it again.
char *mhkd_autocast_pause(bool cuda, bool pause, bool *was_on) {
  return guarded([&] {
    *was_on = at::autocast::is_autocast_enabled(device_type(cuda));
    at::autocast::set_autocast_enabled(device_type(cuda), !pause);
  });
}

// Sets the CPU mode of the calling thread. Threads that it starts later inherit the mode.
char *mhkd_flush_denormals(bool flush, bool *done) {
  return guarded([&] { *done = at::globalContext().setFlushDenormal(flush); });
}

char *mhkd_channels_last(const at::Tensor *tensor, at::Tensor **out) {
  return guarded([&] { *out = new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast)); });
}

char *mhkd_allow_tf32(bool allow) {
  return guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allow);
    at::globalContext().setAllowTF32CuDNN(allow);
  });
}

// Copies a tensor of the CPU to a GPU through pinned memory, without waiting for the copy. libtorch keeps the
// pinned memory until the copy is done.
char *mhkd_copy_to_cuda(const at::Tensor *tensor, size_t index, at::Tensor **out) {
  return guarded([&] {
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(index));
    *out = new at::Tensor(tensor->pin_memory().to(device, /*non_blocking=*/true));
  });
}

// Bytes of a GPU's memory that no process has allocated.
char *mhkd_free_memory(size_t index, size_t *bytes) {
  return guarded([&] { *bytes = at::accelerator::getMemoryInfo(static_cast<at::DeviceIndex>(index)).first; });
}

// Adam with L2 regularisation in the gradient (torch.optim.Adam), all tensors in one call. Counts the step first.
char *mhkd_adam(at::Tensor *const *weights, at::Tensor *const *gradients, at::Tensor *const *means,
                at::Tensor *const *squares, at::Tensor *const *steps, size_t count, double lr,
                double weight_decay) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> w, g, m, s, t;
    const at::TensorList step_counts = list(steps, count, t);
    at::_foreach_add_(step_counts, 1.0);
    at::_fused_adam_(list(weights, count, w), list(gradients, count, g), list(means, count, m),
                     list(squares, count, s), {}, step_counts, lr, 0.9, 0.999, weight_decay,
                     1e-8, /*amsgrad=*/false, /*maximize=*/false);
  });
}
}
