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

/// Rows of one statement each, in their order: with MySQL in powers of two, where a row must not come twice.
pub(super) fn parts<T>(engine: Engine, mut rows: Vec<T>) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    while engine == Engine::Mysql && !rows.len().is_power_of_two() && !rows.is_empty() {
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
            assert!(split.iter().all(|part| part.len().is_power_of_two()), "{count}");
            assert_eq!((split.concat(), split.len()), (rows.clone(), count.count_ones() as usize), "{count}");
            assert_eq!(parts(Engine::Postgres, rows).len(), usize::from(count > 0), "{count}");
        }
    }
}
