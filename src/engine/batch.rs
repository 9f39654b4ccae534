//! Many pages in one call.

use crate::base::Error;

/// Runs `page` for every index below `count`, failures or not, and returns the first error.
pub fn for_each(count: usize, mut page: impl FnMut(usize) -> Result<(), Error>) -> Result<(), Error> {
    let mut first = Ok(());
    for i in 0..count {
        first = first.and(page(i));
    }
    first
}

/// Pages that are looked at together.
const GROUP: usize = 16;

/// Makes a job of every index below `count`, gives the jobs to `run` in groups, errors among them, and each of its results, in order, to
/// `note`; returns the first error that `note` returns.
pub fn for_each_group<T>(
    count: usize,
    mut job: impl FnMut(usize) -> Result<T, Error>,
    mut run: impl FnMut(&mut [Result<T, Error>]),
    mut note: impl FnMut(usize, Result<T, Error>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut first = Ok(());
    for start in (0..count).step_by(GROUP) {
        let group = GROUP.min(count - start);
        let mut jobs: [_; GROUP] =
            core::array::from_fn(|i| if i < group { job(start + i) } else { Err(Error::Invalid) });
        run(&mut jobs[..group]);
        for (i, result) in jobs.into_iter().take(group).enumerate() {
            first = first.and(note(start + i, result));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_the_order_and_the_first_error() {
        let (mut groups, mut noted) = (Vec::new(), Vec::new());
        let result = for_each_group(
            37,
            |i| if i == 20 { Err(Error::NoSpace) } else { Ok(i) },
            |jobs| {
                groups.push(jobs.len());
                jobs.iter_mut().filter(|job| **job == Ok(17)).for_each(|job| *job = Err(Error::Corrupt));
            },
            |i, result| {
                noted.push(i);
                assert!(result.is_err() || result == Ok(i));
                result.map(|_| ())
            },
        );
        assert_eq!(result, Err(Error::Corrupt));
        assert_eq!(groups, [16, 16, 5]);
        assert!(noted.into_iter().eq(0..37));
    }

    #[test]
    fn every_page_is_tried_and_the_first_error_is_returned() {
        let mut tried = Vec::new();
        let result = for_each(4, |i| {
            tried.push(i);
            match i {
                1 => Err(Error::Corrupt),
                2 => Err(Error::NoSpace),
                _ => Ok(()),
            }
        });
        assert_eq!(result, Err(Error::Corrupt));
        assert_eq!(tried, [0, 1, 2, 3]);
        assert_eq!(for_each(0, |_| Err(Error::Corrupt)), Ok(()));
    }
}
