//! All integration tests of mhkd in one binary, so that libtorch is linked once.

mod backbone;
mod checkpoint_import;
mod dataset;
mod export_models;
mod export_reference;
mod metrics;
mod network;
mod support;
mod teacher;
mod tensorboard;
mod workflow;
