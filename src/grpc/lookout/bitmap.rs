//! Converts a client's bitmap to a frame, or to an error that names the field.

use inspectd_core::frame::{CHANNELS, Frame};
use tonic::Status;

use super::proto::bitmap::Data;
use super::proto::{Bitmap, SharedMemoryHandle};
use super::shared_memory::{MemoryError, SharedMemory, Target};
use crate::grpc::status::invalid;

/// Shortest side of an image, pixels: that of the original interface.
const SHORTEST_SIDE: u32 = 64;

/// Longest side of an image, pixels: that of the original interface.
const LONGEST_SIDE: u32 = 4096;

/// The size of an image, within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageSize {
    pub(super) width: u32,
    pub(super) height: u32,
}

impl ImageSize {
    /// The size of a bitmap, whose sides are at most `side_limit` pixels long.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, with the field and its allowed values.
    pub(super) fn of(bitmap: &Bitmap, side_limit: u32) -> Result<Self, Status> {
        let limit = LONGEST_SIDE.min(side_limit);
        let side = |field: &str, pixels: i32| {
            let valid = u32::try_from(pixels).ok();
            let valid = valid.filter(|side| (SHORTEST_SIDE..=limit).contains(side));
            valid.ok_or_else(|| {
                let message = format!("{pixels} pixels; must be {SHORTEST_SIDE} to {limit}");
                invalid(field, message)
            })
        };
        Ok(Self {
            width: side("bitmap.width", bitmap.width)?,
            height: side("bitmap.height", bitmap.height)?,
        })
    }

    /// Bytes of an RGB image of this size.
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * CHANNELS as u64
    }
}

/// Copies the pixels of an image, so that a client that changes its memory meanwhile does no harm. May wait for the system:
/// call it on a thread that may block.
///
/// # Errors
/// `INVALID_ARGUMENT`, with the field and its allowed values.
///
/// # Panics
/// Never: the bytes of a frame are counted first.
pub(super) fn frame(
    bitmap: Bitmap,
    size: ImageSize,
    memory: &SharedMemory,
) -> Result<Frame, Status> {
    let needed = size.bytes();
    let rgb = match bitmap.data {
        None => {
            return Err(invalid(
                "bitmap",
                "byte_data or shared_memory_handle must be set",
            ));
        }
        Some(Data::ByteData(bytes)) if bytes.len() as u64 != needed => {
            let message = format!("{} bytes; must be {needed}", bytes.len());
            return Err(invalid("bitmap.byte_data", message));
        }
        Some(Data::ByteData(bytes)) => bytes,
        Some(Data::SharedMemoryHandle(handle)) => memory
            .read(&handle, needed)
            .map_err(|error| memory_error("bitmap", &error))?,
    };
    Ok(Frame::new(size.width, size.height, rgb).expect("the bytes were counted"))
}

/// Opens the memory that a client offers for the mask of an image.
///
/// # Errors
/// `INVALID_ARGUMENT`, with the field and its allowed values.
pub(super) fn mask_target(
    handle: &SharedMemoryHandle,
    size: ImageSize,
    memory: &SharedMemory,
) -> Result<Target, Status> {
    let target = memory.target(handle, size.bytes());
    target.map_err(|error| memory_error("anomaly_mask_params", &error))
}

fn memory_error(field: &str, error: &MemoryError) -> Status {
    invalid(&format!("{field}.shared_memory_handle"), error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;
    use crate::grpc::lookout::shared_memory::ClientUser;

    fn bitmap(width: i32, height: i32, data: Option<Data>) -> Bitmap {
        Bitmap {
            width,
            height,
            data,
        }
    }

    fn memory() -> SharedMemory {
        SharedMemory::of(ClientUser(None))
    }

    #[test]
    fn sides_have_64_to_4096_pixels_and_no_more_than_the_configured_limit() {
        let check = |width, height, limit, expected: Result<u64, &str>| {
            let size = ImageSize::of(&bitmap(width, height, None), limit);
            match (size, expected) {
                (Ok(size), Ok(bytes)) => assert_eq!(size.bytes(), bytes),
                (Err(status), Err(message)) => {
                    assert_eq!(status.code(), Code::InvalidArgument);
                    assert_eq!(status.message(), message);
                }
                (size, expected) => panic!("{width}x{height}: {size:?}, {expected:?}"),
            }
        };
        check(64, 64, 8192, Ok(12_288));
        check(4096, 4096, 8192, Ok(50_331_648));
        check(
            63,
            64,
            8192,
            Err("bitmap.width: 63 pixels; must be 64 to 4096"),
        );
        check(
            64,
            4097,
            8192,
            Err("bitmap.height: 4097 pixels; must be 64 to 4096"),
        );
        check(
            -64,
            64,
            8192,
            Err("bitmap.width: -64 pixels; must be 64 to 4096"),
        );
        check(
            0,
            0,
            8192,
            Err("bitmap.width: 0 pixels; must be 64 to 4096"),
        );
        check(65, 64, 64, Err("bitmap.width: 65 pixels; must be 64 to 64"));
        check(
            i32::MAX,
            64,
            u32::MAX,
            Err("bitmap.width: 2147483647 pixels; must be 64 to 4096"),
        );
    }

    #[test]
    fn bytes_must_be_exactly_those_of_the_image() {
        let size = ImageSize {
            width: 64,
            height: 65,
        };
        let of = |data| frame(bitmap(64, 65, data), size, &memory());
        let bytes = |count| Some(Data::ByteData(vec![7; count]));
        let taken = of(bytes(12_480)).expect("fits");
        assert_eq!(
            (taken.width(), taken.height(), taken.rgb()[12_479]),
            (64, 65, 7)
        );
        for (data, message) in [
            (
                bytes(12_479),
                "bitmap.byte_data: 12479 bytes; must be 12480",
            ),
            (
                bytes(12_481),
                "bitmap.byte_data: 12481 bytes; must be 12480",
            ),
            (bytes(0), "bitmap.byte_data: 0 bytes; must be 12480"),
            (
                None,
                "bitmap: byte_data or shared_memory_handle must be set",
            ),
        ] {
            let refused = of(data).expect_err("refused");
            assert_eq!(
                (refused.code(), refused.message()),
                (Code::InvalidArgument, message)
            );
        }
    }

    #[test]
    fn error_of_shared_memory_names_its_field() {
        let size = ImageSize {
            width: 64,
            height: 64,
        };
        let handle = SharedMemoryHandle {
            name: "../x".to_owned(),
            size: size.bytes(),
            offset: 0,
        };
        let refused = mask_target(&handle, size, &memory()).expect_err("refused");
        let expected = "anomaly_mask_params.shared_memory_handle: name: \"../x\" is not the name";
        assert!(refused.message().starts_with(expected), "{refused}");
        let data = Some(Data::SharedMemoryHandle(handle));
        let refused = frame(bitmap(64, 64, data), size, &memory()).expect_err("refused");
        let expected = "bitmap.shared_memory_handle: name: ";
        assert!(refused.message().starts_with(expected), "{refused}");
    }

    proptest! {
        #[test]
        fn any_size_is_accepted_or_refused_without_a_panic(
            width in any::<i32>(), height in any::<i32>(), limit in 32u32..70_000,
        ) {
            let range = 64..=limit.min(4096);
            let fits = |side: i32| u32::try_from(side).is_ok_and(|side| range.contains(&side));
            let size = ImageSize::of(&bitmap(width, height, None), limit);
            prop_assert_eq!(size.is_ok(), fits(width) && fits(height));
        }
    }
}
