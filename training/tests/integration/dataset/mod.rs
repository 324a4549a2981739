//! Datasets on disk: generated datasets of every layout, and the category bottle of `MVTec` AD if available.

mod images;
mod layouts;
mod loading;
mod tree;
