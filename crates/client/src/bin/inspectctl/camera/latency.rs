//! `inspectctl camera latency`: the time from exposure to delivery, measured by changes of the light.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use inspectd_client::proto::{WatchBrightnessRequest, WatchBrightnessResponse};
use inspectd_client::{Client, Error};
use tokio::sync::oneshot;
use tonic::Streaming;

use crate::failure::Failure;

/// Time that the brightness must be steady before a change is asked for.
const STEADY: Duration = Duration::from_secs(1);

/// Smallest change of the brightness that counts, grey levels.
const SMALLEST_CHANGE: f32 = 5.0;

/// A change is larger than the noise by this factor.
const NOISE_FACTOR: f32 = 4.0;

/// Arguments of `camera latency`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id of the camera.
    camera: String,
    /// Number of measurements.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// Program that changes the light, such as a switch of an output, instead of a person: more exact. It is started
    /// without arguments, once for each measurement.
    #[arg(long, value_name = "PROGRAM")]
    command: Option<String>,
    /// Maximum wait for a change, seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout_s: u64,
}

/// Measures, and prints the value for the configuration.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let request = WatchBrightnessRequest {
        camera_id: arguments.camera.clone(),
    };
    let mut line = client.line();
    let frames = client.answer(line.watch_brightness(request)).await?;
    let mut watcher = Watcher {
        frames,
        timeout: Duration::from_secs(arguments.timeout_s),
    };
    let mut out = anstream::stdout();
    if arguments.command.is_none() {
        writeln!(
            out,
            "For each measurement: press Enter and change the light that camera {} sees (a lamp, or a hand before the \
             lens) at the same moment. Enter too early gives too large a value, too late too small a one.",
            arguments.camera
        )?;
    }
    let mut longest = Duration::ZERO;
    for number in 1..=arguments.repeat {
        let light = watcher.steady().await?;
        write!(out, "{number} of {}: ", arguments.repeat)?;
        out.flush()?;
        let latency = match &arguments.command {
            Some(program) => watcher.measure_program(light, program).await?,
            None => watcher.measure_person(light).await?,
        };
        writeln!(out, "{} ms", latency.as_millis())?;
        longest = longest.max(latency);
    }
    Ok(write!(
        out,
        "The frame with the new light was delivered after {} ms at most. For the configuration:\n\n\
         [cameras.{}]\nlatency_ms = {}\n",
        longest.as_millis(),
        arguments.camera,
        suggestion(longest)
    )?)
}

/// The value to configure: a tenth more than measured, in steps of 5 ms.
fn suggestion(longest: Duration) -> u128 {
    (longest.as_millis() * 11).div_ceil(10 * 5) * 5
}

/// The range of the brightness while the light is steady.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Light {
    least: f32,
    most: f32,
}

impl Light {
    fn at(level: f32) -> Self {
        Self {
            least: level,
            most: level,
        }
    }

    fn include(&mut self, level: f32) {
        self.least = self.least.min(level);
        self.most = self.most.max(level);
    }

    /// Whether `level` differs by more than noise.
    fn differs(self, level: f32) -> bool {
        let least = SMALLEST_CHANGE.max(NOISE_FACTOR * (self.most - self.least));
        level > self.most + least || level < self.least - least
    }
}

struct Watcher {
    frames: Streaming<WatchBrightnessResponse>,
    timeout: Duration,
}

impl Watcher {
    /// The brightness of the next frame.
    async fn next(&mut self) -> Result<f32, Failure> {
        let next = tokio::time::timeout(self.timeout, self.frames.message()).await;
        let next = next.context("the camera delivers no frames")?;
        let response = next.map_err(|status| Error::from_stream(&status))?;
        Ok(response.ok_or_else(Error::stream_closed)?.level)
    }

    /// Waits until the light is steady.
    async fn steady(&mut self) -> Result<Light, Failure> {
        let mut light = Light::at(self.next().await?);
        let mut since = Instant::now();
        while since.elapsed() < STEADY {
            let level = self.next().await?;
            if Light::at(light.least).differs(level) || Light::at(light.most).differs(level) {
                light = Light::at(level);
                since = Instant::now();
            }
            light.include(level);
        }
        Ok(light)
    }

    /// Waits for the first frame with another light; returns the time since `begun`.
    async fn changed(&mut self, light: Light, begun: Instant) -> Result<Duration, Failure> {
        while begun.elapsed() < self.timeout {
            if light.differs(self.next().await?) {
                return Ok(begun.elapsed());
            }
        }
        Err(anyhow!("the brightness did not change").into())
    }

    async fn measure_program(&mut self, light: Light, program: &str) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let cannot_run = || format!("{program}: cannot be run");
        let mut child = Command::new(program).spawn().with_context(cannot_run)?;
        let latency = self.changed(light, begun).await;
        let status = child.wait().with_context(cannot_run)?;
        if !status.success() {
            return Err(anyhow!("{program}: {status}").into());
        }
        latency
    }

    async fn measure_person(&mut self, light: Light) -> Result<Duration, Failure> {
        let (sender, mut entered) = oneshot::channel();
        // Reading a line cannot be interrupted, so the thread is left behind if the measurement fails.
        std::thread::spawn(move || {
            let read = std::io::stdin().read_line(&mut String::new());
            let _ = sender.send(read);
        });
        let unreadable = "Enter cannot be read";
        loop {
            tokio::select! {
                read = &mut entered => {
                    if read.context(unreadable)?.context(unreadable)? == 0 {
                        return Err(anyhow!("standard input ended before Enter was pressed").into());
                    }
                    return self.changed(light, Instant::now()).await;
                }
                level = self.next() => {
                    if light.differs(level?) {
                        let message = "the light changed before Enter was pressed; start again";
                        return Err(anyhow!(message).into());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_is_larger_than_the_noise_and_than_five_levels() {
        let mut light = Light::at(100.0);
        assert!(!light.differs(105.0) && light.differs(105.5) && light.differs(94.0));
        light.include(102.0);
        assert!(!light.differs(110.0) && light.differs(110.5) && light.differs(91.0));
    }

    #[test]
    fn suggestion_has_a_margin_and_is_a_multiple_of_five() {
        for (measured_ms, expected) in [(0, 0), (1, 5), (100, 110), (101, 115), (480, 530)] {
            assert_eq!(suggestion(Duration::from_millis(measured_ms)), expected);
        }
    }
}
