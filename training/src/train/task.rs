//! The student's training as a task: the teacher is frozen, the objective says what is minimised.

use std::time::Duration;

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use crate::dataset::loader::{Loaded, Loader};
use crate::fit::Task;
use crate::network::student::{Student, Teacher};
use crate::tensors;

use super::objective::{Batch, Objective};

/// Teacher, student and the images that they look at.
#[derive(Debug)]
pub struct StudentTraining {
    teacher: Teacher,
    student: Student,
    train: Loader,
    validation: Vec<Loaded>,
    kept: KeptFeatures,
    objective: Objective,
    batch: usize,
    device: Device,
}

/// The teacher's features of the training images. The teacher is frozen and no augmentation reaches
/// the loss, so they are the same in every epoch: kept, they save the teacher's half of a step.
#[derive(Debug)]
struct KeptFeatures {
    features: Vec<Option<Tensor>>,
    room_bytes: usize,
}

impl KeptFeatures {
    fn get_or(&mut self, index: usize, compute: impl FnOnce() -> Tensor) -> Tensor {
        if let Some(kept) = &self.features[index] {
            return kept.shallow_clone();
        }
        let features = compute();
        let bytes = features.numel() * features.kind().elt_size_in_bytes();
        if bytes <= self.room_bytes {
            self.room_bytes -= bytes;
            self.features[index] = Some(features.shallow_clone());
        }
        features
    }
}

/// What a [`StudentTraining`] is made of beside its networks.
#[derive(Debug)]
pub struct Data {
    /// The training images in the order of the steps.
    pub train: Loader,
    /// How many different ones there are.
    pub train_images: usize,
    /// The validation images; none where early stopping is off.
    pub validation: Vec<Loaded>,
    /// Images a step.
    pub batch: usize,
    /// How much of the teacher's features is kept.
    pub cache_bytes: usize,
}

impl StudentTraining {
    /// A training of `student` against `teacher` over `data`.
    pub fn new(
        teacher: Teacher,
        student: Student,
        data: Data,
        objective: Objective,
        device: Device,
    ) -> Self {
        Self {
            teacher,
            student,
            kept: KeptFeatures {
                features: (0..data.train_images).map(|_| None).collect(),
                room_bytes: data.cache_bytes,
            },
            train: data.train,
            validation: data.validation,
            batch: data.batch,
            objective,
            device,
        }
    }

    /// The networks after training.
    pub fn into_networks(self) -> (Teacher, Student) {
        (self.teacher, self.student)
    }
}

impl Task for StudentTraining {
    fn losses(&self) -> &'static [&'static str] {
        self.objective.names()
    }

    fn forward(&mut self, _step: u64) -> Result<Vec<Tensor>> {
        let loaded = (0..self.batch)
            .map(|_| self.train.next_image())
            .collect::<Result<Vec<_>>>()?;
        let images: Vec<Tensor> = loaded
            .iter()
            .map(|image| tensors::unit(&[image.frame.as_ref()], self.device))
            .collect();
        let targets: Vec<Tensor> = loaded
            .iter()
            .zip(&images)
            .map(|(image, unit)| {
                let compute = || self.teacher.features(&tensors::normalise(unit));
                self.kept.get_or(image.index, compute)
            })
            .collect();
        let f_t = self.teacher.normalise(&Tensor::cat(&targets, 0));
        self.objective.losses(&Batch {
            teacher: &self.teacher,
            student: &self.student,
            unit: &Tensor::cat(&images, 0),
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
            "early stopping needs validation images, there are none"
        );
        let loss_of = |image: &Loaded| {
            let unit = tensors::unit(&[image.frame.as_ref()], self.device);
            let batch = Batch {
                teacher: &self.teacher,
                student: &self.student,
                f_t: &self.teacher.forward(&tensors::normalise(&unit)),
                unit: &unit,
            };
            let loss = self.objective.validation_loss(&batch);
            loss.to_kind(Kind::Double).double_value(&[])
        };
        let sum: f64 = tch::no_grad(|| self.validation.iter().map(loss_of).sum());
        Ok(sum / self.validation.len() as f64)
    }

    fn waited(&self) -> Duration {
        self.train.waited()
    }
}
