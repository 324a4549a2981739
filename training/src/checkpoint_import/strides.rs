//! Copies a strided view into row-major order.

/// Number of values in a tensor of `shape`, or `None` on overflow.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    // A dimension of 0 makes the count 0, also if the product of the others overflows.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1usize, |product, &side| product.checked_mul(side))
}

/// Copies the values of a view of `storage` in row-major order. Returns `None` if the view exceeds the
/// storage. `shape` and `strides` have the same length.
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
    let mut position = vec![0; shape.len()];
    for _ in 0..count {
        let at: usize = position
            .iter()
            .zip(strides)
            .map(|(index, stride)| index * stride)
            .sum();
        data.push(storage[offset + at]);
        advance(&mut position, shape);
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

/// Advances `position` to the next element in row-major order.
fn advance(position: &mut [usize], shape: &[usize]) {
    for (index, &side) in position.iter_mut().zip(shape).rev() {
        *index += 1;
        if *index < side {
            return;
        }
        *index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_copied_in_row_major_order_and_checked_against_the_storage() {
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
