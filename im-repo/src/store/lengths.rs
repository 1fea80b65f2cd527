//! Few lengths of statements. One that differs in the number of its parameters is prepared on its own, and a connection keeps only
//! so many of them; MySQL's way to forget one costs the next statement 40 ms, see `im_infra::database`.

use im_infra::database::Engine;

/// As many as the next power of two, by repeating the last one.
pub(super) fn padded<T: Clone>(mut items: Vec<T>) -> Vec<T> {
    if let Some(last) = items.last().cloned() {
        items.resize(items.len().next_power_of_two(), last);
    }
    items
}

/// Up to here each length has a statement of its own.
const EXACT: usize = 16;

/// Rows of one statement each, in their order: with MySQL few of them or a power of two, where a row must not come twice.
pub(super) fn parts<T>(engine: Engine, mut rows: Vec<T>) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    while engine == Engine::Mysql && rows.len() > EXACT && !rows.len().is_power_of_two() {
        let rest = rows.split_off(1 << rows.len().ilog2());
        parts.push(std::mem::replace(&mut rows, rest));
    }
    if !rows.is_empty() {
        parts.push(rows);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_padded_by_its_last_one() {
        assert!(padded(Vec::<u8>::new()).is_empty());
        assert_eq!(padded(vec![1]), [1]);
        assert_eq!(padded(vec![1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn rows_are_split_in_their_order_and_none_comes_twice() {
        for count in 0..70_usize {
            let rows: Vec<usize> = (0..count).collect();
            let split = parts(Engine::Mysql, rows.clone());
            assert!(split.iter().all(|part| part.len() <= EXACT || part.len().is_power_of_two()), "{count}");
            let whole = (count & !(EXACT - 1)).count_ones() as usize;
            assert!(split.len() <= whole + 1, "{count}");
            assert_eq!(split.concat(), rows, "{count}");
            assert_eq!(parts(Engine::Postgres, rows).len(), usize::from(count > 0), "{count}");
        }
    }
}
