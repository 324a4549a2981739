//! Studies of parts before a camera.

use std::fs;
use std::process::{Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};
use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;

use super::{BAD_SPOT, GOOD_SPOT, assert_line, lines, report, started};
use crate::ctl::{inspectctl, run};
use crate::harness::{Daemon, PATIENCE, Site, inspectctl as program, wait, write_png};

/// The levels of the spots of a part: `good` ones differ by a few levels from trial to trial.
fn level(part: &str, trial: u8) -> u8 {
    if part.starts_with('B') {
        BAD_SPOT - trial
    } else {
        GOOD_SPOT + trial
    }
}

/// A site with a camera in mode requested, which shows pictures in their order, once.
fn belt(pictures: &[u8]) -> Site {
    let site =
        Site::new("[cameras.belt]\nsource = \"folder\"\npath = \"belt\"\nmode = \"requested\"\n");
    fs::create_dir(site.path("belt")).expect("a folder");
    for (number, spot) in pictures.iter().enumerate() {
        write_png(
            &site.path("belt").join(format!("{number:04}.png")),
            64,
            128,
            *spot,
        );
    }
    site
}

fn live(daemon: &Daemon, site: &Site, also: &str) -> Command {
    let mut command = inspectctl(daemon);
    command
        .args(["acceptance", "--live", "--camera", "belt", "--plan"])
        .arg(site.path("parts.csv"));
    command
        .arg("--out")
        .arg(site.path("report"))
        .args(also.split_whitespace());
    command
}

#[test]
fn camera_whose_parts_repeat_is_studied_without_questions_and_each_frame_once() {
    require!(onnx_runtime());
    let parts = ["P1", "P2", "P3", "B1", "B2"];
    let reference = (0..30).map(|trial| GOOD_SPOT + trial % 4);
    let rounds = (0..3).flat_map(|trial| parts.map(|part| level(part, trial)));
    let site = belt(&reference.chain(rounds).collect::<Vec<_>>());
    site.write(
        "parts.csv",
        "part,state\nP1,good\nP2,good\nP3,good\nB1,bad\nB2,bad\n",
    );
    let daemon = site.start();
    let options = "--auto --reference P1 --reference-repeat 30 --max-miss-rate 0.8 --max-false-reject-rate 0.8 --min-cgk 1.33";
    // The request of a step whose answer was lost is the same request again, so that all frames stay in step.
    let mut killed = started(&daemon, &live(&daemon, &site, options));
    wait("some measurements", || lines(&site).len() > 5);
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");
    // As if it had been killed between the answer to the last request and the measurement.
    let file = site.path("report/measurements.jsonl");
    let text = fs::read_to_string(&file).expect("lines");
    let whole: Vec<&str> = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .collect();
    assert!(
        (6..45).contains(&whole.len()),
        "it was killed in between: {}",
        whole.len()
    );
    fs::write(&file, whole[..whole.len() - 1].concat()).expect("written");

    let finished = run(&mut live(&daemon, &site, options), 0);
    assert_line(&finished, "accepted");
    let found = report(&site);
    assert_eq!(
        found["agreement"]["table"],
        serde_json::json!([[9, 0], [0, 6]])
    );
    assert_eq!(found["study"]["plan"]["order"], "listed");
    let sequences = found["measurements"]
        .as_array()
        .expect("measurements")
        .iter();
    let mut sequences: Vec<u64> = sequences
        .filter_map(|measured| measured["sequence"].as_u64())
        .collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    sequences.dedup();
    assert_eq!(sequences.len(), 45);
    // Each part has the scores of its own pictures.
    for part in found["agreement"]["parts"].as_array().expect("parts") {
        let scores: Vec<f64> = part["scores"]
            .as_array()
            .expect("scores")
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        let spread = scores
            .iter()
            .fold(0.0_f64, |most, score| most.max((score - scores[0]).abs()));
        assert!((0.003..0.01).contains(&spread), "{part}");
    }
    daemon.stop();
}

#[test]
fn simulator_that_is_not_in_step_with_the_plan_is_noticed() {
    require!(onnx_runtime());
    let site = Site::new(
        "[cameras.belt]\nsource = \"simulator\"\nmode = \"requested\"\nwidth = 64\nheight = 64\ndefect_rate = 1.0\nfps = 50.0\n",
    );
    site.write("parts.csv", "P1,bad\nP2,good\n");
    let daemon = site.start();
    let stderr = run(&mut live(&daemon, &site, "--auto --repeat 2"), 1).stderr();
    assert!(
        stderr.contains("step 2: part P2 is good by the plan, but the source shows a part that is"),
        "{stderr}"
    );
    // Without a terminal and without --auto there is nobody to put parts in place.
    let stderr = run(
        live(&daemon, &site, "--repeat 2 --seed 1").stdin(Stdio::null()),
        1,
    )
    .stderr();
    assert!(stderr.contains("is a study of other parts"), "{stderr}");
    fs::remove_dir_all(site.path("report")).expect("removed");
    let stderr = run(live(&daemon, &site, "--repeat 2").stdin(Stdio::null()), 1).stderr();
    assert!(
        stderr.contains("standard input is not a terminal; --auto"),
        "{stderr}"
    );
    daemon.stop();
}

/// A person at a terminal, without the time limit of other commands, which reads from no terminal.
fn operator(daemon: &Daemon, site: &Site) -> PtySession {
    let mut command = Command::new(program());
    command.env(
        "INSPECTD_SERVER",
        format!("http://{}", daemon.address("server.listen")),
    );
    command.args([
        "acceptance",
        "--live",
        "--camera",
        "belt",
        "--repeat",
        "1",
        "--seed",
        "5",
    ]);
    command.args([
        "--reference",
        "P1",
        "--reference-repeat",
        "3",
        "--moved-repeat",
        "2",
    ]);
    command
        .arg("--plan")
        .arg(site.path("parts.csv"))
        .arg("--out")
        .arg(site.path("report"));
    spawn_command(command, Some(PATIENCE.as_millis() as u64)).expect("a pseudo-terminal")
}

#[test]
fn operator_puts_parts_in_place_repeats_a_wrong_one_stops_and_continues() {
    require!(onnx_runtime());
    // Three of the part that is not moved, two that were put back, one wrong part, then the right one and the rest.
    let spots = [128, 129, 128, 130, 131, 255, 128, 250, 128, 128];
    let site = belt(&spots);
    site.write("parts.csv", "part,state\nP1,good\nB1,bad\n");
    let daemon = site.start();
    let mut terminal = operator(&daemon, &site);
    terminal
        .exp_string(
            "1 of 7: put part P1 in place; it is measured 3 times, and must not be moved meanwhile",
        )
        .expect("a question");
    terminal.send_line("").expect("sent");
    for number in [4, 5] {
        let question = format!("{number} of 7: take part P1 out, and put it in place again");
        terminal.exp_string(&question).expect("a question");
        terminal.send_line("").expect("sent");
    }
    terminal
        .exp_string("6 of 7: put part ")
        .expect("a question");
    terminal.send_line("").expect("sent");
    terminal
        .exp_string("7 of 7: put part ")
        .expect("a question");
    terminal.send_line("what").expect("sent");
    terminal
        .exp_string("Enter, q or r")
        .expect("an explanation");
    terminal.send_line("r").expect("sent");
    terminal
        .exp_string("6 of 7: put part ")
        .expect("the same question");
    terminal.send_line("q").expect("sent");
    terminal
        .exp_string("stopped: 5 of 7 measured; the same command continues")
        .expect("said");
    terminal.exp_eof().expect("it ends");
    assert!(!site.path("report/acceptance.json").exists());

    let mut terminal = operator(&daemon, &site);
    terminal
        .exp_string("5 of 7 were measured before")
        .expect("said");
    for number in [6, 7] {
        terminal
            .exp_string(&format!("{number} of 7: put part "))
            .expect("a question");
        terminal.send_line("").expect("sent");
    }
    terminal
        .exp_string("not judged: no criterion was stated")
        .expect("the conclusion");
    terminal.exp_eof().expect("it ends");
    let found = report(&site);
    assert_eq!(found["discarded"].as_array().map(Vec::len), Some(1));
    let series: Vec<&str> = found["type1"]
        .as_array()
        .expect("studies")
        .iter()
        .filter_map(|study| study["series"].as_str())
        .collect();
    assert_eq!(series, ["reference", "moved"]);
    assert_eq!(found["type1"][1]["bias_from"], "unmoved_mean");
    assert!(found["type1"][1]["bias"].as_f64().expect("a number") > 0.003);
    daemon.stop();
}
