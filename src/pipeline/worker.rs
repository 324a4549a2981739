//! The thread that owns the model: it loads the first one, and then runs whichever is in force.
//!
//! Numbers too small for a float's full precision make the processor many times slower, and some of a
//! network's values are such. ONNX Runtime rounds them to zero on the threads of its
//! pools, and on the thread that creates a process's first session: so that must be the thread that runs
//! the sessions, which takes part in every run.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

type Task = Box<dyn FnOnce() + Send>;

/// A thread that does what it is given, one thing after the other.
#[derive(Debug)]
pub struct Worker {
    tasks: Sender<Task>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(name: &str) -> io::Result<Self> {
        let (tasks, received) = channel::<Task>();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            for task in received {
                task();
            }
        })?;
        Ok(Self { tasks, thread })
    }

    /// Gives it something to do.
    pub fn give(&self, task: impl FnOnce() + Send + 'static) {
        // A thread that ended has panicked, which was told; its work is not done.
        let _ = self.tasks.send(Box::new(task));
    }

    /// Gives it nothing more: it ends once it has done what it was given.
    pub fn finish(self) -> JoinHandle<()> {
        self.thread
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_worker_does_everything_in_order_on_one_thread_and_ends() {
        let worker = Worker::start("worker").expect("a thread");
        let (done, all) = channel();
        for number in 0..3 {
            let done = done.clone();
            worker.give(move || {
                done.send((number, std::thread::current().id()))
                    .expect("a reader");
            });
        }
        drop(done);
        worker.finish().join().expect("no panic");
        let all: Vec<_> = all.iter().collect();
        let numbers: Vec<u32> = all.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(all.iter().all(|(_, thread)| *thread == all[0].1));
    }
}
