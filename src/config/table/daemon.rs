//! The keys of the process: all but those of cameras.

use tracing_subscriber::EnvFilter;

use super::{Key, Kind, Section};

pub(super) const SERVER: Section = Section {
    name: "server",
    doc: "gRPC and metrics.",
    keys: &[
        Key::preset(
            "listen",
            Kind::Address,
            "127.0.0.1:50051",
            "Where gRPC listens. Beyond loopback it needs `tls.certificate`, `tls.key` and \
             `access.clients`.",
        ),
        Key::unset(
            "unix_socket",
            Kind::Path,
            "A Unix socket where gRPC is served as well, to the daemon's own user and group (mode 0660). \
             One that an earlier run left behind is replaced.",
        ),
        Key::preset(
            "metrics_listen",
            Kind::AddressOrOff,
            "127.0.0.1:9464",
            "Where `/metrics` is served for Prometheus; nowhere if `off`.",
        ),
        Key::preset(
            "message_limit_mib",
            Kind::Whole(1, 512),
            "64",
            "The largest request and the largest answer.",
        )
        .unit("MiB"),
        Key::preset(
            "keepalive_interval_s",
            Kind::Number(1.0, 3600.0),
            "20",
            "A client that is silent for so long is asked for a sign of life (HTTP/2 PING).",
        )
        .unit("seconds"),
        Key::preset(
            "keepalive_timeout_s",
            Kind::Number(1.0, 600.0),
            "10",
            "How long it may take to give one before its connection is closed.",
        )
        .unit("seconds"),
        Key::preset(
            "heartbeat_interval_s",
            Kind::Number(0.1, 3600.0),
            "5",
            "How often a silent stream gets a heartbeat.",
        )
        .unit("seconds"),
        Key::preset(
            "stream_backlog",
            Kind::Whole(16, 65_536),
            "1024",
            "How many verdicts may wait for a slow client before it misses the oldest of them.",
        )
        .unit("verdicts"),
        Key::preset(
            "stream_limit",
            Kind::Whole(1, 4096),
            "64",
            "How many verdict streams may be open at once.",
        ),
        Key::preset(
            "connection_limit",
            Kind::Whole(1, 65_536),
            "256",
            "How many connections may be open at once over TCP, and as many again over the Unix socket; \
             further ones are closed.",
        ),
        Key::preset(
            "image_side_limit",
            Kind::Whole(32, 65_535),
            "8192",
            "Images that clients send are refused, before they are decoded, if a side is longer.",
        )
        .unit("pixels"),
    ],
};

pub(super) const MODEL: Section = Section {
    name: "model",
    doc: "What judges.",
    keys: &[Key::required(
        "bundle",
        Kind::Path,
        "The folder of the model bundle. A reload reads it again even where its path is the same.",
    )
    .live()],
};

pub(super) const ENGINE: Section = Section {
    name: "engine",
    doc: "How the model runs.",
    keys: &[
        Key::preset(
            "provider",
            Kind::Choice(&["cpu", "cuda", "openvino"]),
            "cpu",
            "Where the model runs.",
        ),
        Key::preset(
            "fallback",
            Kind::Choice(&["deny", "allow"]),
            "deny",
            "Whether the processor may stand in for a provider that is not there. If denied, the daemon \
             does not start without it.",
        ),
        Key::preset(
            "device_id",
            Kind::Whole(0, 63),
            "0",
            "Which GPU, as CUDA counts them.",
        ),
        Key::preset(
            "threads",
            Kind::Whole(0, 1024),
            "0",
            "Threads of one run on the processor; 0 for all cores that the process may use.",
        ),
        Key::unset(
            "memory_limit_mib",
            Kind::Whole(64, 1_048_576),
            "The most GPU memory that CUDA's arena may take; without a limit if unset. Only with \
             `provider = \"cuda\"`.",
        )
        .unit("MiB"),
        Key::preset(
            "precision",
            Kind::Choice(&["f32", "tf32", "bf16"]),
            "f32",
            "`f32` is what a model's scores were calibrated with. `tf32` is for CUDA, `bf16` for \
             OpenVINO alone.",
        ),
        Key::preset(
            "batch_limit",
            Kind::Whole(1, 64),
            "1",
            "The most frames that share a run.",
        )
        .unit("frames"),
        Key::preset(
            "batch_window_ms",
            Kind::Number(0.0, 1000.0),
            "0",
            "How long a run waits for more frames once one is there.",
        )
        .unit("milliseconds"),
        Key::unset(
            "library",
            Kind::Path,
            "ONNX Runtime's shared library; if unset, `ORT_DYLIB_PATH`, then the usual places.",
        ),
        Key::preset(
            "hang_timeout_s",
            Kind::Number(1.0, 600.0),
            "30",
            "A run that takes longer counts as hung: systemd's watchdog is not fed any more.",
        )
        .unit("seconds"),
    ],
};

pub(super) const VERDICT: Section = Section {
    name: "verdict",
    doc: "How scores become decisions.",
    keys: &[
        Key::unset(
            "threshold",
            Kind::Finite,
            "Scores above it are REJECT; the bundle's own threshold if unset.",
        )
        .live(),
        Key::unset(
            "review_from",
            Kind::Finite,
            "Scores from here up to the threshold are REVIEW; there is no REVIEW if unset. At most \
             `threshold` where both are set.",
        )
        .live(),
        Key::preset(
            "region_min_area",
            Kind::Number(0.0, 1.0),
            "0",
            "Smaller regions are not listed. They count for the decision all the same.",
        )
        .unit("fraction of the frame")
        .live(),
        Key::preset(
            "region_limit",
            Kind::Whole(0, 1024),
            "32",
            "At most so many regions are listed, largest peak first.",
        )
        .live(),
    ],
};

pub(super) const LIFE: Section = Section {
    name: "life",
    doc: "Start and end of the process.",
    keys: &[
        Key::preset(
            "shutdown_deadline_s",
            Kind::Number(0.1, 300.0),
            "10",
            "How long an orderly end may take before the process ends anyway.",
        )
        .unit("seconds"),
        Key::preset(
            "exit_when_ended",
            Kind::Flag,
            "false",
            "Whether the process ends, with exit code 0, once every camera has ended.",
        ),
        Key::preset(
            "watch_files",
            Kind::Flag,
            "true",
            "Whether a changed file of the configuration is read without being told to.",
        ),
    ],
};

pub(super) const LOG: Section = Section {
    name: "log",
    doc: "The log.",
    keys: &[
        Key::preset(
            "filter",
            Kind::Text(
                is_filter,
                "a filter of tracing, such as \"info,inspectd=debug\"",
            ),
            "info",
            "Which messages are logged, in the language of tracing's `EnvFilter`.",
        )
        .live(),
        Key::preset(
            "format",
            Kind::Choice(&["auto", "text", "json", "journald"]),
            "auto",
            "`text` and `json` go to standard error, `journald` to systemd's journal with its fields. \
             `auto` is `journald` if systemd reads our standard error, else `text`.",
        ),
    ],
};

fn is_filter(text: &str) -> bool {
    !text.trim().is_empty() && EnvFilter::try_new(text).is_ok()
}
