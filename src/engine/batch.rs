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

#[cfg(test)]
mod tests {
    use super::*;

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
