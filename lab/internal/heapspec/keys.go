package heapspec

import "strconv"

// Rand is a small generator (splitmix64) that gives the same numbers in each run.
type Rand uint64

// Next is the next number.
func (r *Rand) Next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

const hexDigits = "0123456789abcdef"

// UUID is a string of 36 bytes that looks random.
func (r *Rand) UUID() string {
	var b [36]byte
	bits, left := uint64(0), 0
	for i := range b {
		switch i {
		case 8, 13, 18, 23:
			b[i] = '-'
			continue
		}
		if left == 0 {
			bits, left = r.Next(), 16
		}
		b[i] = hexDigits[bits&15]
		bits, left = bits>>4, left-1
	}
	return string(b[:])
}

// Prefixed is prefix followed by n in eight digits.
func Prefixed(prefix string, n int) string {
	return prefix + strconv.Itoa(100_000_000 + n)[1:]
}

// Text is a string of n bytes that depends on seed.
func Text(seed, n int) string {
	b := make([]byte, n)
	FillText(b, seed)
	return string(b)
}

// FillText writes what Text would return.
func FillText(b []byte, seed int) {
	for i := range b {
		b[i] = byte('a' + (seed+i*7)%26)
	}
}
