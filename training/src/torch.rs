//! Functions of libtorch that tch does not expose, called through `shim/torch_shim.cpp`. This is the only
//! file of the package with `unsafe` code: foreign calls with pointers to live tensors.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use tch::{Device, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn mhkd_free(message: *mut c_char);
    fn mhkd_autocast_begin(cuda: bool) -> *mut c_char;
    fn mhkd_autocast_end(cuda: bool) -> *mut c_char;
    fn mhkd_autocast_pause(cuda: bool, pause: bool, was_on: *mut bool) -> *mut c_char;
    fn mhkd_channels_last(tensor: *const C_tensor, out: *mut *mut C_tensor) -> *mut c_char;
    fn mhkd_flush_denormals(flush: bool, done: *mut bool) -> *mut c_char;
    fn mhkd_allow_tf32(allow: bool) -> *mut c_char;
    fn mhkd_copy_to_cuda(
        tensor: *const C_tensor,
        index: usize,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mhkd_free_memory(index: usize, bytes: *mut usize) -> *mut c_char;
    fn mhkd_adam(
        weights: *const *const C_tensor,
        gradients: *const *const C_tensor,
        means: *const *const C_tensor,
        squares: *const *const C_tensor,
        steps: *const *const C_tensor,
        count: usize,
        lr: f64,
        weight_decay: f64,
    ) -> *mut c_char;
}

/// Version of libtorch that this crate is built against. An installed `PyTorch` that provides CUDA must
/// have the same version.
pub const VERSION: &str = "2.11.0";

/// Takes the error message of a call of the shim; `None` if it succeeded.
fn error(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: a non-null message is a C string that the shim allocated; it is freed once.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        mhkd_free(message);
        Some(text)
    }
}

/// Panics with the message of libtorch, as tch does. A failure here is a shape or device mismatch in the
/// code of this crate.
fn expect_success(message: *mut c_char) {
    if let Some(text) = error(message) {
        panic!("libtorch: {text}");
    }
}

/// Guard for bf16 autocast on one device. Dropping it ends the autocast.
#[derive(Debug)]
pub struct Autocast {
    cuda: bool,
}

impl Autocast {
    /// Starts bf16 autocast for convolutions on `device`.
    pub fn begin(device: Device) -> Self {
        let cuda = device.is_cuda();
        // SAFETY: the call passes no pointers.
        expect_success(unsafe { mhkd_autocast_begin(cuda) });
        Self { cuda }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: the call passes no pointers.
        expect_success(unsafe { mhkd_autocast_end(self.cuda) });
    }
}

/// Runs `compute` in f32 and returns its result. An active [`Autocast`] is paused for the call.
pub fn in_f32<T>(device: Device, compute: impl FnOnce() -> T) -> T {
    /// Re-enables autocast when dropped, also after a panic.
    struct Pause(bool);
    impl Drop for Pause {
        fn drop(&mut self) {
            let mut was_on = false;
            // SAFETY: `was_on` lives through the call.
            expect_success(unsafe { mhkd_autocast_pause(self.0, false, &raw mut was_on) });
        }
    }
    let mut was_on = false;
    // SAFETY: `was_on` lives through the call.
    expect_success(unsafe { mhkd_autocast_pause(device.is_cuda(), true, &raw mut was_on) });
    let _pause = was_on.then(|| Pause(device.is_cuda()));
    compute()
}

/// Converts `tensor` [N, C, H, W] to the channels-last memory format. The shape is unchanged.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    let mut out = std::ptr::null_mut();
    // SAFETY: `tensor` lives through the call; `out` is a new tensor that this function owns.
    unsafe {
        expect_success(mhkd_channels_last(tensor.as_ptr(), &raw mut out));
        Tensor::from_ptr(out)
    }
}

/// Flushes subnormal (denormal) floats to zero in this thread and in the threads that it starts later. It
/// must run before libtorch starts its threads. Returns whether the CPU supports it. Training produces
/// many subnormal floats, which are negligible for the result but slow to compute with on CPUs.
pub fn flush_denormals() -> bool {
    let mut done = false;
    // SAFETY: `done` lives through the call.
    expect_success(unsafe { mhkd_flush_denormals(true, &raw mut done) });
    done
}

/// Sets whether f32 convolutions and matrix products on CUDA may round their inputs to TF32. No effect on
/// the CPU.
pub fn allow_tf32(allow: bool) {
    // SAFETY: the call passes no pointers.
    expect_success(unsafe { mhkd_allow_tf32(allow) });
}

/// Copies `tensor` from the CPU to `device`. A copy to a GPU goes through pinned memory, and the call does not
/// wait for it; later work on the same GPU does. On the CPU the result is `tensor` itself.
pub fn copy_to(tensor: &Tensor, device: Device) -> Tensor {
    let Device::Cuda(index) = device else {
        return tensor.to_device(device);
    };
    let mut out = std::ptr::null_mut();
    // SAFETY: `tensor` lives through the call; `out` is a new tensor that this function owns.
    unsafe {
        expect_success(mhkd_copy_to_cuda(tensor.as_ptr(), index, &raw mut out));
        Tensor::from_ptr(out)
    }
}

/// Free memory of the GPU `device`, bytes. `None` on the CPU, and if libtorch does not know it.
pub fn free_memory(device: Device) -> Option<usize> {
    let Device::Cuda(index) = device else {
        return None;
    };
    let mut bytes = 0;
    // SAFETY: `bytes` lives through the call.
    let failure = error(unsafe { mhkd_free_memory(index, &raw mut bytes) });
    failure.is_none().then_some(bytes)
}

/// Waits until `device` has finished all work that it was given. A CPU has always finished.
pub fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

/// Tensors of one Adam step. All lists have the same length.
#[derive(Debug)]
pub struct AdamTensors<'a> {
    /// Weights, changed in place.
    pub weights: &'a [Tensor],
    /// Gradients of the weights.
    pub gradients: &'a [Tensor],
    /// First moments, changed in place.
    pub means: &'a [Tensor],
    /// Second moments, changed in place.
    pub squares: &'a [Tensor],
    /// Number of steps before this one, one f32 scalar per weight, incremented by the call.
    pub steps: &'a [Tensor],
}

/// Runs one step of Adam (betas 0.9 and 0.999, eps 1e-8) with L2 regularisation added to the gradient, as
/// `torch.optim.Adam` does.
///
/// # Panics
/// When the lists differ in length.
pub fn adam_step(tensors: &AdamTensors<'_>, lr: f64, weight_decay: f64) {
    let pointers = |list: &[Tensor]| list.iter().map(Tensor::as_ptr).collect::<Vec<_>>();
    let count = tensors.weights.len();
    let (weights, gradients) = (pointers(tensors.weights), pointers(tensors.gradients));
    let (means, squares) = (pointers(tensors.means), pointers(tensors.squares));
    let steps = pointers(tensors.steps);
    let lists = [&gradients, &means, &squares, &steps];
    assert!(
        lists.iter().all(|list| list.len() == count),
        "every list has one tensor per weight"
    );
    // SAFETY: the five lists hold `count` pointers to tensors that live through the call. The shim copies
    // the shared handles, as every ATen call does, and writes only to the tensors' storages.
    expect_success(unsafe {
        mhkd_adam(
            weights.as_ptr(),
            gradients.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            steps.as_ptr(),
            count,
            lr,
            weight_decay,
        )
    });
}

/// Loads the CUDA part of libtorch if the library path has it, and returns whether CUDA is available. The
/// library comes with an installed `PyTorch`. The same binary runs with and without it.
pub fn open_cuda() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the initialisers of libtorch_cuda register its kernels with the linked libtorch. `forget`
    // keeps the library loaded until the process exits.
    let opened = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    opened.map(std::mem::forget).is_ok() && tch::Cuda::is_available()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_to_the_cpu_shares_the_memory() {
        let tensor = Tensor::from_slice(&[1_u8, 2, 3]);
        assert_eq!(copy_to(&tensor, Device::Cpu).data_ptr(), tensor.data_ptr());
    }

    #[test]
    fn free_memory_is_known_only_of_a_gpu() {
        assert_eq!(free_memory(Device::Cpu), None);
        let gpu = free_memory(Device::Cuda(0));
        assert!(gpu.is_none() || tch::Cuda::is_available());
    }
}
