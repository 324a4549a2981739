//! The daemon as its users meet it: the real process, over real TCP, with a real ONNX Runtime.
//!
//! The model of most tests is `testdata/cells.onnx`, whose scores can be worked out by hand: an even
//! frame's score is its level / 255, a bright spot raises it, and a frame with a black cell has none.

mod access;
mod belt;
mod cameras;
mod client_library;
mod clients;
mod ctl;
mod end;
mod endurance;
mod frames;
mod hangs;
mod harness;
mod inquiry;
mod life;
mod mjpeg;
mod python;
mod recipes;
mod refusals;
mod reliable;
mod reload;
mod streams;
mod tuning;
mod watching;
