//! V4L2 devices of this machine: names, formats, and the range of their exposure.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use v4l2r::bindings::{v4l2_capability, v4l2_fmtdesc, v4l2_frmsizeenum, v4l2_queryctrl};
use v4l2r::ioctl::{
    Capabilities, Capability, CtrlId, FrmSizeTypes, QueryCtrlFlags, enum_fmt, enum_frame_sizes,
    g_ctrl, querycap, queryctrl, s_ctrl,
};
use v4l2r::{PixelFormat, QueueType};

/// `V4L2_CID_EXPOSURE_AUTO`, `V4L2_CID_EXPOSURE_ABSOLUTE` and `V4L2_CID_GAIN` of `linux/v4l2-controls.h`.
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const GAIN: u32 = 0x0098_0913;

/// `V4L2_CTRL_FLAG_DISABLED`.
const DISABLED: u32 = 1;

/// V4L2's unit of exposure, microseconds.
const EXPOSURE_UNIT_US: u32 = 100;

/// Formats of a device, and sizes of a format, that are read at most: a driver that never ends its list is stopped here.
const MOST_LISTED: u32 = 64;

/// A device that captures video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The name to configure: the stable one below `v4l/by-id` if there is one.
    pub path: PathBuf,
    /// Name of the camera, from its driver.
    pub name: String,
    /// Where it is connected, from its driver.
    pub bus: String,
    /// The formats that it offers.
    pub formats: Vec<DeviceFormat>,
    /// The exposures that it offers; none if its exposure cannot be set.
    pub exposure: Option<ExposureRange>,
}

/// A pixel format with its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFormat {
    /// Four letters, such as `MJPG`, without spaces at the end.
    pub code: String,
    /// The driver's description.
    pub description: String,
    /// Widths and heights in pixels, largest first.
    pub sizes: Vec<[u32; 2]>,
}

/// Exposures of a device, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposureRange {
    /// The shortest.
    pub least_us: u32,
    /// The longest.
    pub most_us: u32,
    /// The present one.
    pub present_us: u32,
}

/// Lists the devices `video*` of a folder, `/dev` of a machine, that capture video and can be opened; by name.
pub fn list_devices(folder: &Path) -> Vec<DeviceInfo> {
    let stable = stable_names(&folder.join("v4l/by-id"));
    let mut nodes: Vec<PathBuf> = entries(folder)
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let digits = name.and_then(|name| name.strip_prefix("video"));
            digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
        })
        .collect();
    nodes.sort_by_key(|node| (node.as_os_str().len(), node.clone()));
    let found = nodes.into_iter().filter_map(|node| {
        let info = query(&node).ok()??;
        let path = fs::canonicalize(&node).ok();
        let path = path.and_then(|path| stable.get(&path).cloned());
        Some(DeviceInfo {
            path: path.unwrap_or(node),
            ..info
        })
    });
    found.collect()
}

/// Links of a folder, by what they lead to.
fn stable_names(folder: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let links = entries(folder).filter_map(|link| Some((fs::canonicalize(&link).ok()?, link)));
    links.collect()
}

/// The entries of a folder; none if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

/// Describes a device; none if it does not capture video.
///
/// # Errors
/// When it cannot be opened.
pub fn query(path: &Path) -> io::Result<Option<DeviceInfo>> {
    let device = File::options().read(true).write(true).open(path)?;
    let Ok(capability) = querycap::<v4l2_capability>(&device) else {
        return Ok(None);
    };
    let capability = Capability::from(capability);
    if !capability
        .device_caps()
        .contains(Capabilities::VIDEO_CAPTURE)
    {
        return Ok(None);
    }
    Ok(Some(DeviceInfo {
        path: path.to_owned(),
        name: capability.card,
        bus: capability.bus_info,
        formats: formats(&device),
        exposure: exposure(&device),
    }))
}

fn formats(device: &File) -> Vec<DeviceFormat> {
    let described = (0..MOST_LISTED)
        .map_while(|index| enum_fmt::<v4l2_fmtdesc>(device, QueueType::VideoCapture, index).ok());
    let format = |found: v4l2_fmtdesc| DeviceFormat {
        code: text(&found.pixelformat.to_le_bytes()),
        description: text(&found.description),
        sizes: sizes(device, found.pixelformat),
    };
    described.map(format).collect()
}

fn sizes(device: &File, pixel_format: u32) -> Vec<[u32; 2]> {
    let listed = (0..MOST_LISTED).map_while(|index| {
        enum_frame_sizes::<v4l2_frmsizeenum>(device, index, PixelFormat::from(pixel_format)).ok()
    });
    let mut sizes: Vec<[u32; 2]> = listed
        .filter_map(|found| match found.size()? {
            FrmSizeTypes::Discrete(size) => Some([size.width, size.height]),
            // Any size in between is possible: the largest is named.
            FrmSizeTypes::StepWise(size) => Some([size.max_width, size.max_height]),
        })
        .collect();
    sizes.sort_unstable_by_key(|[width, height]| {
        std::cmp::Reverse(u64::from(*width) * u64::from(*height))
    });
    sizes.dedup();
    sizes
}

fn exposure(device: &File) -> Option<ExposureRange> {
    let control = CtrlId::new(EXPOSURE_ABSOLUTE).ok()?;
    let found: v4l2_queryctrl = queryctrl(device, control, QueryCtrlFlags::empty()).ok()?;
    if found.flags & DISABLED != 0 {
        return None;
    }
    let microseconds = |value: i32| u32::try_from(value).ok()?.checked_mul(EXPOSURE_UNIT_US);
    Some(ExposureRange {
        least_us: microseconds(found.minimum.max(1))?,
        most_us: microseconds(found.maximum)?,
        present_us: microseconds(g_ctrl(device, EXPOSURE_ABSOLUTE).ok()?.max(1))?,
    })
}

/// A text of a driver, up to its first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}

/// Exposure and gain of a device, which it gets again when this is dropped: a camera keeps its values when it is closed.
#[derive(Debug)]
pub struct KeptControls {
    path: PathBuf,
    /// In the order in which they are set: the exposure before it becomes automatic again.
    values: Vec<(u32, i32)>,
}

impl KeptControls {
    /// Remembers the values that the device has now. One that cannot be read is left alone.
    pub fn of(path: &Path) -> Self {
        let device = File::options().read(true).write(true).open(path);
        let read = |device: &File| {
            let ids = [EXPOSURE_ABSOLUTE, EXPOSURE_AUTO, GAIN].into_iter();
            ids.filter_map(|id| Some((id, g_ctrl(device, id).ok()?)))
                .collect()
        };
        Self {
            path: path.to_owned(),
            values: device.as_ref().map(read).unwrap_or_default(),
        }
    }
}

impl Drop for KeptControls {
    fn drop(&mut self) {
        let Ok(device) = File::options().read(true).write(true).open(&self.path) else {
            return;
        };
        for (id, value) in &self.values {
            // A control may be read-only in the present mode of the camera.
            let _ = s_ctrl(&device, *id, *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_cameras_are_not_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["video0", "video10", "videos", "null"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(list_devices(folder.path()), []);
        assert_eq!(query(&folder.path().join("video0")).expect("a file"), None);
        assert!(query(&folder.path().join("absent")).is_err());
        assert_eq!(list_devices(&folder.path().join("absent")), []);
    }

    #[test]
    fn text_of_a_driver_ends_at_its_first_zero() {
        assert_eq!(text(b"UVC Camera\0\0rest"), "UVC Camera");
        assert_eq!(text(b"Y16 "), "Y16");
        assert_eq!(text(b"MJPG"), "MJPG");
    }
}
