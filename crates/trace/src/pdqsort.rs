//! The sort of Go's `slices.SortFunc`, step by step: it is not stable, and the order in which it leaves events of
//! equal time decides which of them Go's reader takes first.
//!
//! Refuses: being a sort for anything else; use the standard library's.
//!
//! Source: GOROOT/src/slices/zsortanyfunc.go (Go 1.22 to 1.27, the same in all).

/// Sorts by a time, equal times ending up as Go's sort leaves them.
pub(crate) fn sort_by_time<T, K: Fn(&T) -> i64>(data: &mut [T], key: K) {
    let len = data.len();
    let limit = usize::BITS - len.leading_zeros();
    Sort { data, key }.sort(0, len, limit);
}

#[derive(PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

struct Sort<'a, T, K> {
    data: &'a mut [T],
    key: K,
}

impl<T, K: Fn(&T) -> i64> Sort<'_, T, K> {
    #[inline]
    fn less(&self, i: usize, j: usize) -> bool {
        (self.key)(&self.data[i]) < (self.key)(&self.data[j])
    }

    fn sort(&mut self, mut a: usize, mut b: usize, mut limit: u32) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = b - a;
            if length <= 12 {
                self.insertion(a, b);
                return;
            }
            if limit == 0 {
                self.heap(a, b);
                return;
            }
            if !balanced {
                self.break_patterns(a, b);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(a, b);
            if hint == Hint::Decreasing {
                self.data[a..b].reverse();
                pivot = (b - 1) - (pivot - a);
                hint = Hint::Increasing;
            }
            if balanced && partitioned && hint == Hint::Increasing && self.partial_insertion(a, b) {
                return;
            }
            if a > 0 && !self.less(a - 1, pivot) {
                a = self.partition_equal(a, b, pivot);
                continue;
            }
            let (mid, already) = self.partition(a, b, pivot);
            partitioned = already;
            let (left, right) = (mid - a, b - mid);
            if left < right {
                balanced = left >= length / 8;
                self.sort(a, mid, limit);
                a = mid + 1;
            } else {
                balanced = right >= length / 8;
                self.sort(mid + 1, b, limit);
                b = mid;
            }
        }
    }

    fn insertion(&mut self, a: usize, b: usize) {
        for i in a + 1..b {
            let mut j = i;
            while j > a && self.less(j, j - 1) {
                self.data.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn sift_down(&mut self, lo: usize, hi: usize, first: usize) {
        let mut root = lo;
        loop {
            let mut child = 2 * root + 1;
            if child >= hi {
                return;
            }
            if child + 1 < hi && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.data.swap(first + root, first + child);
            root = child;
        }
    }

    fn heap(&mut self, a: usize, b: usize) {
        let hi = b - a;
        for i in (0..=(hi - 1) / 2).rev() {
            self.sift_down(i, hi, a);
        }
        for i in (0..hi).rev() {
            self.data.swap(a, a + i);
            self.sift_down(0, i, a);
        }
    }

    fn partition(&mut self, a: usize, b: usize, pivot: usize) -> (usize, bool) {
        self.data.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        self.close_in(a, &mut i, &mut j);
        if i > j {
            self.data.swap(j, a);
            return (j, true);
        }
        self.data.swap(i, j);
        i += 1;
        j -= 1;
        loop {
            self.close_in(a, &mut i, &mut j);
            if i > j {
                break;
            }
            self.data.swap(i, j);
            i += 1;
            j -= 1;
        }
        self.data.swap(j, a);
        (j, false)
    }

    /// Moves both ends inwards over what already stands on its side of the pivot.
    fn close_in(&self, pivot: usize, i: &mut usize, j: &mut usize) {
        while *i <= *j && self.less(*i, pivot) {
            *i += 1;
        }
        while *i <= *j && !self.less(*j, pivot) {
            *j -= 1;
        }
    }

    fn partition_equal(&mut self, a: usize, b: usize, pivot: usize) -> usize {
        self.data.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        loop {
            while i <= j && !self.less(a, i) {
                i += 1;
            }
            while i <= j && self.less(a, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.data.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    fn partial_insertion(&mut self, a: usize, b: usize) -> bool {
        let mut i = a + 1;
        for _ in 0..5 {
            while i < b && !self.less(i, i - 1) {
                i += 1;
            }
            if i == b {
                return true;
            }
            if b - a < 50 {
                return false;
            }
            self.data.swap(i, i - 1);
            if i - a >= 2 {
                let mut j = i - 1;
                while j >= 1 && self.less(j, j - 1) {
                    self.data.swap(j, j - 1);
                    j -= 1;
                }
            }
            if b - i >= 2 {
                let mut j = i + 1;
                while j < b && self.less(j, j - 1) {
                    self.data.swap(j, j - 1);
                    j += 1;
                }
            }
        }
        false
    }

    fn break_patterns(&mut self, a: usize, b: usize) {
        let length = b - a;
        if length < 8 {
            return;
        }
        let mut random = length as u64;
        let modulus = 1usize << (usize::BITS - length.leading_zeros());
        let middle = a + (length / 4) * 2;
        for at in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = random as usize & (modulus - 1);
            if other >= length {
                other -= length;
            }
            self.data.swap(at, a + other);
        }
    }

    fn choose_pivot(&self, a: usize, b: usize) -> (usize, Hint) {
        let l = b - a;
        let mut swaps = 0;
        let (mut i, mut j, mut k) = (a + l / 4, a + l / 4 * 2, a + l / 4 * 3);
        if l >= 8 {
            if l >= 50 {
                i = self.median(i - 1, i, i + 1, &mut swaps);
                j = self.median(j - 1, j, j + 1, &mut swaps);
                k = self.median(k - 1, k, k + 1, &mut swaps);
            }
            j = self.median(i, j, k, &mut swaps);
        }
        match swaps {
            0 => (j, Hint::Increasing),
            12 => (j, Hint::Decreasing),
            _ => (j, Hint::Unknown),
        }
    }

    fn median(&self, a: usize, b: usize, c: usize, swaps: &mut u32) -> usize {
        let mut order = |x: usize, y: usize| {
            if self.less(y, x) {
                *swaps += 1;
                (y, x)
            } else {
                (x, y)
            }
        };
        let (a, b) = order(a, b);
        let (b, _) = order(b, c);
        order(a, b).1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorts(mut v in proptest::collection::vec(-50i64..50, 0..400)) {
            let mut want = v.clone();
            want.sort_unstable();
            sort_by_time(&mut v, |&t| t);
            prop_assert_eq!(v, want);
        }
    }

    /// What Go 1.26's `slices.SortFunc` makes of `(i * 7919 % 97 % 5, i)`, compared by the first number.
    #[test]
    fn equal_times_end_up_as_in_go() {
        for (n, want) in GO {
            let mut v: Vec<(i64, usize)> = (0..*n).map(|i| ((i * 7919 % 97 % 5) as i64, i)).collect();
            sort_by_time(&mut v, |x| x.0);
            let got: Vec<usize> = v.iter().map(|x| x.1).collect();
            assert_eq!(&got[..], *want, "{n}");
        }
    }

    include!("pdqsort_go.rs");
}
