//! Finds the ONNX Runtime library and checks its version before `ort` loads it, because `ort` panics where
//! this module returns an error.
//!
//! The only module with unsafe code, which is needed to call a function of a shared library.
#![allow(unsafe_code)]

use std::env;
use std::error::Error;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use libloading::{Library, Symbol};
use ort::sys::OrtApiBase;
use thiserror::Error;

/// Environment variable with the path of the library, used if [`EngineOptions::library`] is unset.
///
/// [`EngineOptions::library`]: crate::EngineOptions::library
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// Minor version of the oldest supported release, 1.24: the API that `ort` is compiled for (feature `api-24`).
const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// Why ONNX Runtime could not be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LibraryError {
    /// The library does not exist, or the system cannot load it.
    #[error("ONNX Runtime: cannot load {}: {reason} (set {LIBRARY_VARIABLE} to its path)", .path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// The library is not ONNX Runtime.
    #[error("ONNX Runtime: {} is not ONNX Runtime (it has no OrtGetApiBase)", .path.display())]
    NotOnnxRuntime {
        /// The library.
        path: PathBuf,
    },
    /// The version of ONNX Runtime is too old.
    #[error("ONNX Runtime: {} is version {found}, must be 1.{OLDEST_MINOR} or newer", .path.display())]
    TooOld {
        /// The library.
        path: PathBuf,
        /// The version found.
        found: String,
    },
    /// The process has already loaded another ONNX Runtime library.
    #[error("ONNX Runtime: cannot load {}, because this process has already loaded {}", .path.display(), .loaded.display())]
    AlreadyLoaded {
        /// The requested library.
        path: PathBuf,
        /// The loaded library.
        loaded: PathBuf,
    },
}

/// Where the library is installed, from the folder of the executable: next to it, or where the package and
/// `systemd/install.sh` put it, in `/usr/lib/inspectd` for `/usr/bin`.
const FOLDERS: [&str; 2] = [".", "../lib/inspectd"];

/// Returns the path of the library: from the options, from the environment, or the default file name in one of
/// [`FOLDERS`] or in the system's library folders.
pub(super) fn resolve(option: Option<&Path>) -> PathBuf {
    let variable = || env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty());
    let path = option
        .map(Path::to_owned)
        .or_else(|| variable().map(PathBuf::from));
    let path = path.unwrap_or_else(|| libloading::library_filename("onnxruntime").into());
    if path.components().count() > 1 {
        // Relative to the working directory, not to the folder of the executable as in `ort`.
        return std::path::absolute(&path).unwrap_or(path);
    }
    let installed = env::current_exe()
        .ok()
        .and_then(|program| installed(&program, &path));
    installed.unwrap_or(path)
}

/// The library of this name that is installed with `program`, if there is one.
fn installed(program: &Path, name: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let places = FOLDERS.map(|place| folder.join(place).join(name));
    places.iter().find_map(|place| place.canonicalize().ok())
}

/// Returns the version of the ONNX Runtime library at `path`, after checking that it is new enough.
pub(super) fn version(path: &Path) -> Result<String, LibraryError> {
    let open = |error: libloading::Error| LibraryError::Open {
        path: path.to_owned(),
        // The message only says that loading failed; the source says why.
        reason: error.source().unwrap_or(&error).to_string(),
    };
    // SAFETY: loading runs the library's initialisers. The user who configures a library trusts it; the
    // initialisers of ONNX Runtime have no preconditions.
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
    // SAFETY: this is the type of the function in every release of ONNX Runtime; no other library with a
    // function of this name is known.
    let base: Symbol<'_, unsafe extern "system" fn() -> *const OrtApiBase> =
        unsafe { library.get("OrtGetApiBase") }.ok()?;
    // SAFETY: the function has no parameters and returns null or a table that is valid as long as the library
    // is loaded. The table's second entry returns a C string with the same lifetime. The library outlives
    // this function, and the string is copied.
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
    fn version_before_1_24_is_rejected() {
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
    fn library_is_found_next_to_the_program_then_where_it_is_installed() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let root = root.path().canonicalize().expect("a folder");
        let name = Path::new("libonnxruntime.so");
        let program = root.join("bin/inspectd");
        for folder in ["bin", "lib/inspectd"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        assert_eq!(installed(&program, name), None);
        let packaged = root.join("lib/inspectd").join(name);
        std::fs::write(&packaged, "").expect("a file");
        assert_eq!(installed(&program, name), Some(packaged));
        let next_to_it = root.join("bin").join(name);
        std::fs::write(&next_to_it, "").expect("a file");
        assert_eq!(installed(&program, name), Some(next_to_it));
    }

    #[test]
    fn file_that_is_not_onnx_runtime_is_an_error_without_panic() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = folder.path().join("libtext.so");
        std::fs::write(&text, "not a library").expect("a file");
        for path in [Path::new("/absent/libonnxruntime.so"), &text] {
            let error = version(path).expect_err("not a library");
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
