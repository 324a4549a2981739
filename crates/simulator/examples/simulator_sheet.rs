//! Writes a contact sheet of the simulated line: good parts in the first row, then one row of examples per
//! defect with the outline of its mask, then a row of clutter.
//!
//! `cargo run --example simulator_sheet -- OUT.png [SIDE]`

use std::process::ExitCode;

use image::{Rgb, RgbImage};
use inspectd_core::frame::Frame;
use inspectd_simulator::clutter::clutter;
use inspectd_simulator::{Defect, DefectMask, ProductionLine};

const COLUMNS: u32 = 4;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: simulator_sheet OUT.png [SIDE]");
        return ExitCode::from(64);
    };
    let side = arguments.next().map_or(Ok(256), |side| side.parse());
    let Ok(side @ 16..=2048) = side else {
        eprintln!("SIDE must be a number of pixels from 16 to 2048");
        return ExitCode::from(64);
    };
    match sheet(side).save(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sheet(side: u32) -> RgbImage {
    let line = ProductionLine::new(1);
    let rows = 2 + Defect::ALL.len() as u32;
    let mut sheet = RgbImage::new(COLUMNS * side, rows * side);
    for column in 0..COLUMNS {
        let index = u64::from(column);
        let good = line.part(index, &[]).render(side, side);
        place(&mut sheet, &good, column * side, 0);
        let clutter_frame = clutter(1, index, side, side);
        place(&mut sheet, &clutter_frame, column * side, (rows - 1) * side);
        for (row, defect) in (1..).zip(Defect::ALL) {
            let scene = line.part(index + 10, &[defect]);
            place(
                &mut sheet,
                &scene.render(side, side),
                column * side,
                row * side,
            );
            // The first column has no outline, to show how visible the defect is.
            if column > 0 {
                for mask in scene.truth(side, side) {
                    outline(&mut sheet, &mask, side, column * side, row * side);
                }
            }
        }
    }
    sheet
}

fn place(sheet: &mut RgbImage, frame: &Frame, left: u32, top: u32) {
    let width = frame.width() as usize;
    for (pixel, rgb) in frame.rgb().chunks_exact(3).enumerate() {
        let (x, y) = ((pixel % width) as u32, (pixel / width) as u32);
        sheet.put_pixel(left + x, top + y, Rgb([rgb[0], rgb[1], rgb[2]]));
    }
}

/// Draws the pixels around the mask in green.
fn outline(sheet: &mut RgbImage, mask: &DefectMask, side: u32, left: u32, top: u32) {
    let inside = |x: u32, y: u32| mask.pixels[(y * side + x) as usize];
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let adjacent =
                inside(x - 1, y) || inside(x + 1, y) || inside(x, y - 1) || inside(x, y + 1);
            if adjacent && !inside(x, y) {
                sheet.put_pixel(left + x, top + y, Rgb([60, 255, 90]));
            }
        }
    }
}
