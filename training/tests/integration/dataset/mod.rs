//! Datasets on disk: generated ones of every layout, and `MVTec` AD's bottle where it is there.

mod images;
mod layouts;
mod loading;
mod tree;
