//! The thread that loads the first model and then runs the active one.
//!
//! Subnormal floats make a CPU many times slower, and some activations of a network are subnormal. ONNX
//! Runtime flushes them to zero on the threads of its pools and on the thread that creates the first
//! session of a process. The thread that runs a session takes part in the computation, so it must be the
//! thread that created the first session.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

type Task = Box<dyn FnOnce() + Send>;

/// A thread that executes tasks one after the other.
#[derive(Debug)]
pub struct Worker {
    tasks: Sender<Task>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let (tasks, received) = channel::<Task>();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            for task in received {
                task();
            }
        })?;
        Ok(Self { tasks, thread })
    }

    /// Queues a task.
    pub fn give(&self, task: impl FnOnce() + Send + 'static) {
        // The thread ends early only by a panic, which was logged.
        let _ = self.tasks.send(Box::new(task));
    }

    /// Queues no further task. The thread ends after the tasks that it has.
    pub fn finish(self) -> JoinHandle<()> {
        self.thread
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn tasks_run_in_order_on_one_thread_which_then_ends() {
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
