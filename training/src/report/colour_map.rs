//! Viridis colour map (van der Walt and Smith, 2015; CC0): perceptually uniform, also with colour vision
//! deficiencies and in greyscale.

/// Ten equidistant colours of the map.
pub(super) const STOPS: [[u8; 3]; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [110, 206, 88],
    [181, 222, 43],
    [253, 231, 37],
];

/// Returns the colour at `share`, 0 to 1. Values outside are clamped.
pub(super) fn colour(share: f32) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let low = (at as usize).min(STOPS.len() - 2);
    let part = at - low as f32;
    let blend = |channel: usize| {
        let [from, to] = [STOPS[low][channel], STOPS[low + 1][channel]].map(f32::from);
        (from + (to - from) * part).round() as u8
    };
    std::array::from_fn(blend)
}

/// Returns the colour map as a CSS background, from left to right.
pub(super) fn css_gradient() -> String {
    let stops: Vec<String> = STOPS
        .iter()
        .map(|[red, green, blue]| format!("rgb({red},{green},{blue})"))
        .collect();
    format!("linear-gradient(90deg,{})", stops.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luminance_increases_and_values_outside_are_clamped() {
        let luma = |share| {
            let [red, green, blue] = colour(share).map(f32::from);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for step in 0..100_u8 {
            let share = f32::from(step) / 100.0;
            assert!(luma(share) <= luma(share + 0.01), "at {share}");
        }
        assert_eq!(colour(-3.0), STOPS[0]);
        assert_eq!(colour(7.0), STOPS[9]);
    }
}
