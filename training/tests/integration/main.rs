//! All integration tests of mhkd in one binary, so that libtorch is linked once.

// Tests move files to prepare their input.
#![allow(clippy::disallowed_methods)]

mod backbone;
mod checkpoint_import;
mod dataset;
mod documents;
mod export_int8;
mod export_models;
mod export_reference;
mod metrics;
mod network;
mod references;
mod support;
mod teacher;
mod teacher_import;
mod tensorboard;
mod triton;
mod workflow;
