//! End-to-end tests of the daemon: the real process, over TCP, with ONNX Runtime.
//!
//! The model of most tests is `testdata/cells.onnx`, whose scores can be calculated by hand: the score
//! of an evenly grey frame is its level / 255, a bright spot raises it, and a black cell makes it non-finite.

// These tests run the real process in real time.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod access;
mod belt;
mod camera_changes;
mod camera_files;
mod cameras;
mod capture_process;
mod challenge;
mod client_library;
mod clients;
mod ctl;
mod dataset;
mod device;
mod drift;
mod end;
mod endurance;
mod frames;
mod groups;
mod hangs;
mod harness;
mod inquiry;
mod installation;
mod life;
mod mjpeg;
mod page;
mod pauses;
mod preload;
mod python;
mod recipe_files;
mod recipes;
mod refusals;
mod reliable;
mod reload;
mod report;
mod request_recipes;
mod shadow;
mod shifts;
mod streams;
mod thresholds;
mod tuning;
mod watching;
