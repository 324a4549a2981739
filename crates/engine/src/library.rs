//! Which file ONNX Runtime is, and whether it is fit for use: asked before `ort` loads it, which
//! panics where this file reports an error.
//!
//! The one file with unsafe code: a library's entry point cannot be called otherwise.
#![allow(unsafe_code)]

use std::env;
use std::error::Error;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use libloading::{Library, Symbol};
use ort::sys::OrtApiBase;
use thiserror::Error;

/// The environment variable that names the library where the options do not.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// The oldest usable version, 1.24: the interface that `ort` is compiled for (its feature `api-24`).
const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// Why ONNX Runtime is not there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LibraryError {
    /// There is no such library, or the system cannot load it.
    #[error("ONNX Runtime: cannot load {}: {reason} ({LIBRARY_VARIABLE} names its file)", .path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A library, but another one.
    #[error("ONNX Runtime: {} is another library (it has no OrtGetApiBase)", .path.display())]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },
    /// ONNX Runtime, but of no use.
    #[error("ONNX Runtime: {} is version {found}, must be 1.{OLDEST_MINOR} or newer", .path.display())]
    TooOld {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// A process can load one ONNX Runtime, and has loaded another file.
    #[error("ONNX Runtime: cannot load {}, as this process has loaded {}", .path.display(), .loaded.display())]
    AlreadyLoaded {
        /// The library asked for.
        path: PathBuf,
        /// The one that is loaded.
        loaded: PathBuf,
    },
}

/// The library to load: the one that the options name, or the environment, or the usual one, beside
/// this program or where the system looks for libraries.
pub(super) fn resolve(option: Option<&Path>) -> PathBuf {
    let variable = || env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty());
    let path = option
        .map(Path::to_owned)
        .or_else(|| variable().map(PathBuf::from));
    let path = path.unwrap_or_else(|| libloading::library_filename("onnxruntime").into());
    if path.components().count() > 1 {
        // As seen from the working folder, not from the program's, where `ort` would look.
        return std::path::absolute(&path).unwrap_or(path);
    }
    let beside = env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(&path)));
    beside.filter(|beside| beside.exists()).unwrap_or(path)
}

/// The version of the ONNX Runtime in the library at `path`, if that is new enough.
pub(super) fn version(path: &Path) -> Result<String, LibraryError> {
    let open = |error: libloading::Error| LibraryError::Open {
        path: path.to_owned(),
        // Its own words are that it failed; why is in its source.
        reason: error.source().unwrap_or(&error).to_string(),
    };
    // SAFETY: loading runs the library's initialisers. Whoever names a library asks for that; ONNX
    // Runtime's own need nothing from the caller.
    let library = unsafe { Library::new(path) }.map_err(open)?;
    let found = version_string(&library).ok_or_else(|| LibraryError::NotOnnxRuntime {
        path: path.to_owned(),
    })?;
    new_enough(path, found)
}

fn new_enough(path: &Path, found: String) -> Result<String, LibraryError> {
    let mut numbers = found
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (1, OLDEST_MINOR) {
        return Err(LibraryError::TooOld {
            path: path.to_owned(),
            found,
        });
    }
    Ok(found)
}

fn version_string(library: &Library) -> Option<String> {
    // SAFETY: the type is that of the function of this name in every release of ONNX Runtime; no
    // other library is known to have one of this name.
    let base: Symbol<'_, unsafe extern "system" fn() -> *const OrtApiBase> =
        unsafe { library.get("OrtGetApiBase") }.ok()?;
    // SAFETY: the function takes nothing, and gives a table that lives as long as the library, or
    // null; the table's second entry gives a C string that lives as long. The library outlives this
    // function, and the string is copied.
    unsafe {
        let base = base().as_ref()?;
        let text = (base.GetVersionString)();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_is_refused() {
        let check = |found: &str, usable: bool| {
            let result = new_enough(Path::new("libonnxruntime.so"), found.to_owned());
            assert_eq!(result.is_ok(), usable, "{found}: {result:?}");
        };
        check("1.24.0", true);
        check("1.31.1", true);
        check("2.0.0", true);
        check("1.23.2", false);
        check("0.5.0", false);
        check("unknown", false);
    }

    #[test]
    fn what_is_not_onnx_runtime_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = folder.path().join("libtext.so");
        std::fs::write(&text, "no library").expect("a file");
        for path in [Path::new("/absent/libonnxruntime.so"), &text] {
            let error = version(path).expect_err("no library");
            assert!(
                matches!(&error, LibraryError::Open { path: named, .. } if named == path),
                "{error}"
            );
        }
        if cfg!(target_os = "linux") {
            let path = PathBuf::from("libm.so.6");
            assert_eq!(version(&path), Err(LibraryError::NotOnnxRuntime { path }));
        }
    }
}
