// Functions that compiled code may call; only those that it names are put into a page.

function take(own, given, k) {
  if (given.length !== own.length) {
    throw new RangeError(`argument ${k} must have ${own.length} elements; got ${given.length}`);
  }
  own.set(given);
}

function product(c, c0, a, a0, am, ak, b, b0, bk, bn, m, n, k) {
  let i = 0;
  for (; i + 3 < m; i += 4) {
    let j = 0;
    for (; j + 3 < n; j += 4) {
      let x00 = 0, x01 = 0, x02 = 0, x03 = 0, x10 = 0, x11 = 0, x12 = 0, x13 = 0;
      let x20 = 0, x21 = 0, x22 = 0, x23 = 0, x30 = 0, x31 = 0, x32 = 0, x33 = 0;
      let p = a0 + i * am, q = b0 + j * bn;
      for (let l = 0; l < k; l++, p += ak, q += bk) {
        const u0 = a[p], u1 = a[p + am], u2 = a[p + 2 * am], u3 = a[p + 3 * am];
        const v0 = b[q], v1 = b[q + bn], v2 = b[q + 2 * bn], v3 = b[q + 3 * bn];
        x00 += u0 * v0; x01 += u0 * v1; x02 += u0 * v2; x03 += u0 * v3;
        x10 += u1 * v0; x11 += u1 * v1; x12 += u1 * v2; x13 += u1 * v3;
        x20 += u2 * v0; x21 += u2 * v1; x22 += u2 * v2; x23 += u2 * v3;
        x30 += u3 * v0; x31 += u3 * v1; x32 += u3 * v2; x33 += u3 * v3;
      }
      let o = c0 + i * n + j;
      c[o] = x00; c[o + 1] = x01; c[o + 2] = x02; c[o + 3] = x03; o += n;
      c[o] = x10; c[o + 1] = x11; c[o + 2] = x12; c[o + 3] = x13; o += n;
      c[o] = x20; c[o + 1] = x21; c[o + 2] = x22; c[o + 3] = x23; o += n;
      c[o] = x30; c[o + 1] = x31; c[o + 2] = x32; c[o + 3] = x33;
    }
    productEdge(c, c0, a, a0, am, ak, b, b0, bk, bn, i, i + 4, j, n, n, k);
  }
  productEdge(c, c0, a, a0, am, ak, b, b0, bk, bn, i, m, 0, n, n, k);
}

function productEdge(c, c0, a, a0, am, ak, b, b0, bk, bn, i0, i1, j0, j1, n, k) {
  for (let i = i0; i < i1; i++) {
    for (let j = j0; j < j1; j++) {
      let sum = 0, p = a0 + i * am, q = b0 + j * bn;
      for (let l = 0; l < k; l++, p += ak, q += bk) sum += a[p] * b[q];
      c[c0 + i * n + j] = sum;
    }
  }
}

// A maker of float32 arrays, and their product. With SIMD they lie side by side in the memory of a
// module (simd.py), behind room for a panel; a device that has none, or a page that forbids it, has
// arrays and loops as ever.
function heap(floats, terms) {
  let memory, multiply, at = 32 * terms;
  try {
    memory = new WebAssembly.Memory({ initial: Math.ceil((at + 4 * floats) / 65536) });
    const made = new WebAssembly.Instance(new WebAssembly.Module(simd), { page: { memory } });
    multiply = made.exports.product;
  } catch {
    return [(n, values) => values || new Float32Array(n), product];
  }
  return [
    (n, values) => {
      const array = new Float32Array(memory.buffer, at, n);
      at += 16 * Math.ceil(n / 4);
      if (values) array.set(values);
      return array;
    },
    (c, c0, a, a0, am, ak, b, b0, bk, bn, m, n, k) => {
      if (n < 8 || !m || !k) return product(c, c0, a, a0, am, ak, b, b0, bk, bn, m, n, k);
      multiply(
        c.byteOffset + 4 * c0, a.byteOffset + 4 * a0, 4 * am, 4 * ak,
        b.byteOffset + 4 * b0, 4 * bk, 4 * bn, m, n, k,
      );
    },
  ];
}

let threefryLow = 0;
function threefry(k0, k1, x0, x1) {
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  x0 = (x0 + k0) | 0; x1 = (x1 + k1) | 0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k1) | 0; x1 = (x1 + k2 + 1) | 0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k2) | 0; x1 = (x1 + k0 + 2) | 0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k0) | 0; x1 = (x1 + k1 + 3) | 0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k1) | 0; x1 = (x1 + k2 + 4) | 0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0; x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  threefryLow = (x1 + k0 + 5) >>> 0;
  return (x0 + k2) >>> 0;
}

function decoded(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

function even(x) {
  const down = Math.floor(x), rest = x - down;
  if (rest < 0.5) return down;
  return rest > 0.5 || down % 2 ? down + 1 : down;
}

const words = new DataView(new ArrayBuffer(4));
function bits_of_float32(x) { words.setFloat32(0, x); }
function bits_of_int32(x) { words.setInt32(0, x); }
function bits_of_uint32(x) { words.setUint32(0, x); }
function bits_float32() { return words.getFloat32(0); }
function bits_int32() { return words.getInt32(0); }
function bits_uint32() { return words.getUint32(0); }

function bitCount(x) {
  let count = 0;
  for (x >>>= 0; x; x &= x - 1) count++;
  return count;
}

function compared(a, b) {
  return a < b ? -1 : a > b ? 1 : a === b ? 0 : (a !== a) - (b !== b);
}

function logAddExp(a, b) {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

// A series near 0, a continued fraction far out: to the last digits of a double.
function erf(x) {
  const size = Math.abs(x);
  if (size > 2) return Math.sign(x) * (1 - erfc(size));
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return x === 0 || x !== x ? x : sum * Math.exp(-x * x) * 1.1283791670955126;
}

function erfc(x) {
  if (x !== x) return x;
  if (x < 2) return 1 - erf(x);
  if (x > 28) return 0;
  let tail = 0;
  for (let n = 60; n > 0; n--) tail = (n / 2) / (x + tail);
  return Math.exp(-x * x) / ((x + tail) * 1.772453850905516);
}

// Giles' approximation for single precision.
function erfInverse32(y) {
  let w = -Math.log1p(-y * y);
  if (w < 5) {
    w -= 2.5;
    return y * (1.50140941 + w * (0.246640727 + w * (-0.00417768164 + w * (-0.00125372503
      + w * (0.000218580870 + w * (-4.39150654e-6 + w * (-3.5233877e-6
      + w * (3.43273939e-7 + w * 2.81022636e-8))))))));
  }
  if (!(w < Infinity)) return y * w;
  w = Math.sqrt(w) - 3;
  return y * (2.83297682 + w * (1.00167406 + w * (0.00943887047 + w * (-0.0076224613
    + w * (0.00573950773 + w * (-0.00367342844 + w * (0.00134934322
    + w * (0.000100950558 - w * 0.000200214257))))))));
}

// Two steps of Newton after it, on the smaller tail.
function erfInverse(y) {
  const size = Math.abs(y), rest = 1 - size;
  let x = erfInverse32(size);
  for (let n = 0; n < 2 && x < Infinity; n++) {
    const error = size < 0.5 ? erf(x) - size : rest - erfc(x);
    const step = error * Math.exp(x * x) * 0.886226925452758;
    x -= step / (1 + x * step);
  }
  return y < 0 ? -x : x;
}
