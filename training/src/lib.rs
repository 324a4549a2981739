//! Trains, calibrates, evaluates and exports MHKD models. The modules follow the life of a model:
//! images, networks, teacher, training, calibration, export, evaluation.

pub mod cli;
pub mod settings;

pub mod checkpoint_import;
pub mod dataset;
pub mod device;
pub mod synth;
pub mod tensors;

pub mod backbone;
pub mod network;
pub mod torch;

mod figure;
pub mod fit;
pub mod log;
pub mod teacher;
pub mod train;

pub mod bench;
pub mod calibrate;
pub mod evaluate;
pub mod export;
pub mod feature_methods;
pub mod fit_photos;
pub mod metrics;
pub mod predict;
pub mod report;
pub mod reproduce;

pub mod files;
