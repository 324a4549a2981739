//! End-to-end tests of the daemon: the real process, over TCP, with ONNX Runtime.
//!
//! The model of most tests is `testdata/cells.onnx`, whose scores can be calculated by hand: the score
//! of an evenly grey frame is its level / 255, a bright spot raises it, and a black cell makes it non-finite.

// These tests run the real process in real time.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod acceptance;
mod access;
mod backups;
mod belt;
mod camera_changes;
mod camera_files;
mod camera_sources;
mod cameras;
mod capture_process;
mod challenge;
mod client_library;
mod clients;
mod conformance;
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
mod init;
mod inquiry;
mod installation;
mod life;
mod loading;
mod lookout;
mod manual;
mod mjpeg;
mod monitoring;
mod other_clients;
mod page;
mod pauses;
mod precision;
mod preload;
mod python;
mod python_client;
mod recipe_files;
mod recipes;
mod refusals;
mod reliable;
mod reload;
mod remote_engine;
mod report;
mod request_recipes;
mod scripts;
mod shadow;
mod shifts;
mod streams;
mod support_bundle;
mod thresholds;
mod tracing;
mod tuning;
mod watching;
