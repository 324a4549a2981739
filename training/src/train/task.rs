//! Training of the student as a task for the training loop. The teacher is frozen; the objective defines
//! the losses.

use std::time::Duration;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use crate::dataset::loader::{LoadedImage, Loader};
use crate::fit::Task;
use crate::network::student::Student;
use crate::network::teacher::Teacher;
use crate::tensors;

use super::device_images::DeviceImages;
use super::objective::{Batch, Objective};

/// Teacher, student, training images and objective.
#[derive(Debug)]
pub struct StudentTraining {
    teacher: Teacher,
    student: Student,
    train: Loader,
    device_images: DeviceImages,
    validation: Vec<LoadedImage>,
    feature_cache: TeacherFeatureCache,
    objective: Objective,
    batch: usize,
    device: Device,
    title: String,
}

/// Cached teacher features of the training images. The teacher is frozen and the images are not augmented,
/// so the features are the same in every epoch. The cache saves the forward pass of the teacher.
#[derive(Debug)]
struct TeacherFeatureCache {
    features: Vec<Option<Tensor>>,
    free_bytes: usize,
}

impl TeacherFeatureCache {
    fn get_or(&mut self, index: usize, compute: impl FnOnce() -> Tensor) -> Tensor {
        if let Some(cached) = &self.features[index] {
            return cached.shallow_clone();
        }
        let features = compute();
        let bytes = features.numel() * features.kind().elt_size_in_bytes();
        if bytes <= self.free_bytes {
            self.free_bytes -= bytes;
            self.features[index] = Some(features.shallow_clone());
        }
        features
    }
}

/// Images and sizes of a [`StudentTraining`].
#[derive(Debug)]
pub struct TrainingData {
    /// Training images in the order of the steps.
    pub train: Loader,
    /// Features of each distinct training image before normalisation, `[1, C, h, w]`, where they are known already.
    pub features: Vec<Option<Tensor>>,
    /// Validation images. Empty without early stopping.
    pub validation: Vec<LoadedImage>,
    /// Images per step.
    pub batch: usize,
    /// Memory for cached teacher features, bytes.
    pub cache_bytes: usize,
}

impl StudentTraining {
    /// Creates a training of `student` with `teacher` on `data`.
    pub fn new(
        teacher: Teacher,
        student: Student,
        data: TrainingData,
        objective: Objective,
        device: Device,
    ) -> Self {
        Self {
            teacher,
            student,
            device_images: DeviceImages::new(data.features.len(), device),
            feature_cache: TeacherFeatureCache {
                features: data.features,
                free_bytes: data.cache_bytes,
            },
            train: data.train,
            validation: data.validation,
            batch: data.batch,
            objective,
            device,
            title: "training".to_owned(),
        }
    }

    /// Sets the title of the progress bar.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// Returns the networks.
    pub fn into_networks(self) -> (Teacher, Student) {
        (self.teacher, self.student)
    }
}

impl Task for StudentTraining {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn loss_names(&self) -> &'static [&'static str] {
        self.objective.names()
    }

    fn forward(&mut self, _step: u64) -> Result<Vec<Tensor>> {
        let loaded = (0..self.batch)
            .map(|_| self.train.next_image())
            .collect::<Result<Vec<_>>>()?;
        let unit = tensors::unit_of(&self.device_images.batch(&loaded));
        let targets: Vec<Tensor> = (0..)
            .zip(&loaded)
            .map(|(place, image)| {
                let unit = unit.narrow(0, place, 1);
                let compute = || self.teacher.features(&self.teacher.input(&unit));
                self.feature_cache.get_or(image.index, compute)
            })
            .collect();
        let f_t = self.teacher.normalise(&Tensor::cat(&targets, 0));
        self.objective.losses(&Batch {
            teacher: &self.teacher,
            student: &self.student,
            unit: &unit,
            f_t: &f_t,
        })
    }

    fn learned(&self) -> Vec<(String, Tensor)> {
        self.student
            .tensors()
            .map(|(name, tensor)| (name, tensor.shallow_clone()))
            .collect()
    }

    fn fixed(&self) -> Vec<(String, Tensor)> {
        vec![
            ("teacher.mean".into(), self.teacher.mean()),
            ("teacher.std".into(), self.teacher.std()),
        ]
    }

    fn validate(&mut self) -> Result<f64> {
        ensure!(
            !self.validation.is_empty(),
            "early stopping requires validation images, but the dataset has none"
        );
        let loss_of = |image: &LoadedImage| {
            let unit = tensors::unit(&[image.frame.as_ref()], self.device);
            let batch = Batch {
                teacher: &self.teacher,
                student: &self.student,
                f_t: &self.teacher.forward(&self.teacher.input(&unit)),
                unit: &unit,
            };
            self.objective.validation_loss(&batch).to_kind(Kind::Double)
        };
        // All losses are read at once: reading waits for a GPU.
        let losses: Vec<Tensor> = tch::no_grad(|| self.validation.iter().map(loss_of).collect());
        let losses = Vec::<f64>::try_from(&Tensor::stack(&losses, 0))?;
        Ok(losses.iter().sum::<f64>() / losses.len() as f64)
    }

    fn waited(&self) -> Duration {
        self.train.waited()
    }
}
