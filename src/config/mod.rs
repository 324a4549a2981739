//! The configuration: files and variables become [`Settings`], or every fault in them at once.

pub mod settings;

pub use settings::Settings;
