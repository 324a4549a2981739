//! A strided view's values in the order of its shape.

/// How many values a tensor of `shape` has; `None` of more than fit a number.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    // A side of 0 makes all of it 0, however long the others are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1usize, |product, &side| product.checked_mul(side))
}

/// The values of the view of `storage`, the last side's next to each other; `None` when it reaches
/// outside. `shape` and `strides` are of one length.
pub(super) fn gather(
    storage: &[f32],
    offset: usize,
    shape: &[usize],
    strides: &[usize],
) -> Option<Vec<f32>> {
    let count = count(shape)?;
    if count == 0 {
        return Some(Vec::new());
    }
    let reaches = shape
        .iter()
        .zip(strides)
        .map(|(side, stride)| (side - 1).checked_mul(*stride));
    let last = reaches
        .into_iter()
        .try_fold(offset, |sum, reach| sum.checked_add(reach?))?;
    if last >= storage.len() {
        return None;
    }
    if is_contiguous(shape, strides) {
        return Some(storage[offset..offset + count].to_vec());
    }
    let mut data = Vec::with_capacity(count);
    let mut place = vec![0; shape.len()];
    for _ in 0..count {
        let at: usize = place
            .iter()
            .zip(strides)
            .map(|(place, stride)| place * stride)
            .sum();
        data.push(storage[offset + at]);
        advance(&mut place, shape);
    }
    Some(data)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut run = 1;
    shape.iter().zip(strides).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == run;
        run *= side;
        fits
    })
}

/// Counts one up, the last side first.
fn advance(place: &mut [usize], shape: &[usize]) {
    for (place, &side) in place.iter_mut().zip(shape).rev() {
        *place += 1;
        if *place < side {
            return;
        }
        *place = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_six_values() {
        let storage = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let check = |offset, shape: &[usize], strides: &[usize], expected: Option<&[f32]>| {
            let found = gather(&storage, offset, shape, strides);
            assert_eq!(found.as_deref(), expected, "{offset} {shape:?} {strides:?}");
        };
        check(0, &[2, 3], &[3, 1], Some(&storage));
        check(0, &[3, 2], &[1, 3], Some(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        check(1, &[2, 1, 2], &[3, 9, 1], Some(&[1.0, 2.0, 4.0, 5.0]));
        check(5, &[], &[], Some(&[5.0]));
        check(4, &[3], &[0], Some(&[4.0, 4.0, 4.0]));
        check(99, &[0, 7], &[7, 1], Some(&[]));
        check(1, &[2, 3], &[3, 1], None);
        check(6, &[1], &[1], None);
        check(0, &[usize::MAX, 2], &[1, 1], None);
        check(0, &[2, 2], &[usize::MAX, 1], None);
    }
}
