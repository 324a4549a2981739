//! The parts of libtorch that tch does not reach, through `shim/torch_shim.cpp`. The only file of this
//! package with `unsafe`: foreign calls whose pointers come from live tensors.
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

/// The libtorch that this is built against; an installed `PyTorch` that brings CUDA must be the same.
pub const VERSION: &str = "2.11.0";

/// Panics with libtorch's message, as tch itself does: what fails here is a shape or device mismatch
/// in this crate's own code.
fn expect_success(message: *mut c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: a non-null message is a C string that the shim allocated for us; it is freed once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        mhkd_free(message);
        text
    };
    panic!("libtorch: {text}");
}

/// bf16 autocast on one device, until this is dropped.
#[derive(Debug)]
pub struct Autocast {
    cuda: bool,
}

impl Autocast {
    /// Convolutions on `device` compute in bf16 from here on.
    pub fn begin(device: Device) -> Self {
        let cuda = device.is_cuda();
        // SAFETY: takes and returns no memory of ours.
        expect_success(unsafe { mhkd_autocast_begin(cuda) });
        Self { cuda }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: as in `begin`, which this undoes.
        expect_success(unsafe { mhkd_autocast_end(self.cuda) });
    }
}

/// What `compute` gives in full precision, inside of an [`Autocast`] or not.
pub fn in_f32<T>(device: Device, compute: impl FnOnce() -> T) -> T {
    /// Switches autocast on again, after a panic too.
    struct Pause(bool);
    impl Drop for Pause {
        fn drop(&mut self) {
            let mut was_on = false;
            // SAFETY: as in `in_f32`.
            expect_success(unsafe { mhkd_autocast_pause(self.0, false, &raw mut was_on) });
        }
    }
    let mut was_on = false;
    // SAFETY: `was_on` lives through the call.
    expect_success(unsafe { mhkd_autocast_pause(device.is_cuda(), true, &raw mut was_on) });
    let _pause = was_on.then(|| Pause(device.is_cuda()));
    compute()
}

/// `tensor` [N, C, H, W] with its channels innermost in memory; the shape stays.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    let mut out = std::ptr::null_mut();
    // SAFETY: `tensor` lives through the call; `out` is then a tensor that nobody else owns.
    unsafe {
        expect_success(mhkd_channels_last(tensor.as_ptr(), &raw mut out));
        Tensor::from_ptr(out)
    }
}

/// Rounds subnormal numbers to zero in this thread and those that it starts from now on, so before
/// libtorch starts its own; whether the processor can. Training is full of numbers so small that they tell
/// nothing, and processors take many times as long over them.
pub fn flush_denormals() -> bool {
    let mut done = false;
    // SAFETY: `done` lives through the call.
    expect_success(unsafe { mhkd_flush_denormals(true, &raw mut done) });
    done
}

/// Lets CUDA's f32 convolutions and products round their factors to TF32. No effect on a CPU.
pub fn allow_tf32(allow: bool) {
    // SAFETY: takes and returns no memory of ours.
    expect_success(unsafe { mhkd_allow_tf32(allow) });
}

/// The tensors of one Adam step, all of the same length.
#[derive(Debug)]
pub struct AdamTensors<'a> {
    /// Weights, changed in place.
    pub weights: &'a [Tensor],
    /// Their gradients.
    pub gradients: &'a [Tensor],
    /// First moments, changed in place.
    pub means: &'a [Tensor],
    /// Second moments, changed in place.
    pub squares: &'a [Tensor],
    /// Steps taken so far, one f32 scalar a weight, raised by the caller before the call.
    pub steps: &'a [Tensor],
}

/// One step of Adam (betas 0.9 and 0.999, eps 1e-8) with L2 added to the gradient, as
/// `torch.optim.Adam` does it.
///
/// # Panics
/// When the lists are not of one length.
pub fn adam_step(tensors: &AdamTensors<'_>, lr: f64, weight_decay: f64) {
    let pointers = |list: &[Tensor]| list.iter().map(Tensor::as_ptr).collect::<Vec<_>>();
    let count = tensors.weights.len();
    let (weights, gradients) = (pointers(tensors.weights), pointers(tensors.gradients));
    let (means, squares) = (pointers(tensors.means), pointers(tensors.squares));
    let steps = pointers(tensors.steps);
    let lists = [&gradients, &means, &squares, &steps];
    assert!(
        lists.iter().all(|list| list.len() == count),
        "one of each a weight"
    );
    // SAFETY: the five lists hold `count` pointers to tensors that live through the call; the shim
    // takes them by shared handle, as every ATen call does, and changes storages only.
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

/// Opens CUDA's half of libtorch where an installed `PyTorch` has it on the library path. Without it
/// this is the CPU build; the same binary serves both.
pub fn open_cuda() -> bool {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: libtorch_cuda's initialisers register its kernels with the libtorch that is linked; it
    // stays open for good, which `forget` says.
    let opened = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) };
    opened.map(std::mem::forget).is_ok() && tch::Cuda::is_available()
}
