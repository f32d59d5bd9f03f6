/* 3×3 convolutions of stride 2, and their way back, in a domain of Winograd's kind. Along each axis the output sums even pixels by the
middle tap and odd ones by the outer two taps, of which five make four numbers of the output by five multiplications (F(4, 2), at
±1/2, ±5/4 and ∞) in place of eight. Even pixels go as they are: nine numbers for four, 81 multiplications for 4×4 pixels in place
of 144. The four even ones share the middle tap, so that 36 filters do: those of FILTER_OF_TWO. */
#pragma once
#include "winograd.h"

enum { POINTS = 5, WHOLE = 9, ALL = WHOLE * WHOLE }; /* of an axis: F(4, 2)'s numbers, and with the even pixels'; of both axes */

/* The numbers n < ALL of the domain that take filter q < DOMAIN: the last of each axis is the middle tap, which four share. */
#define FOR_EACH_THAT_SHARES(q, n)                                                              \
    for (long i = (q) / SIDE; i < ((q) / SIDE < POINTS ? (q) / SIDE + 1 : WHOLE); i++)          \
        for (long j = (q) % SIDE, n = i * WHOLE + j; j < ((q) % SIDE < POINTS ? (q) % SIDE + 1 : WHOLE); j++, n++)

/* Five numbers to F(4, 2)'s domain, `s` apart. */
INLINE void to_points(vec d0, vec d1, vec d2, vec d3, vec d4, vec *to, int s) {
    vec even_r = d3 - S2 * d1, odd_r = d2 - S2 * d0, even_s = d3 - R2 * d1, odd_s = d2 - R2 * d0;
    to[0] = even_r + R * odd_r;
    to[s] = even_r - R * odd_r;
    to[2 * s] = even_s + S * odd_s;
    to[3 * s] = even_s - S * odd_s;
    to[4 * s] = R2 * S2 * d0 + (d4 - (R2 + S2) * d2);
}

/* Back: from five numbers to four. */
INLINE void from_points(const vec *m, vec *y) {
    vec sum_r = m[0] + m[1], less_r = m[0] - m[1], sum_s = m[2] + m[3], less_s = m[2] - m[3];
    y[0] = sum_r + sum_s;
    y[1] = R * less_r + S * less_s;
    y[2] = R2 * sum_r + S2 * sum_s;
    y[3] = R * R2 * less_r + (S * S2 * less_s + m[4]);
}

/* Nine pixels, `s` apart, the first and last odd, to the domain: the points, then the even pixels. */
INLINE void pixels_to_domain(vec *d, int s) {
    vec even[TILE];
    UNROLL for (int i = 0; i < TILE; i++) even[i] = d[(2 * i + 1) * s];
    to_points(d[0], d[2 * s], d[4 * s], d[6 * s], d[8 * s], d, s);
    UNROLL for (int i = 0; i < TILE; i++) d[(POINTS + i) * s] = even[i];
}

/* From the domain to four pixels of the output. */
INLINE void output_from_domain(vec *m) {
    vec y[TILE];
    from_points(m, y);
    UNROLL for (int i = 0; i < TILE; i++) m[i] = y[i] + m[POINTS + i];
}

/* Five gradients to the output, `s` apart, to the domain. */
INLINE void gradients_to_domain(vec *d, int s) {
    UNROLL for (int i = TILE - 1; i >= 0; i--) d[(POINTS + i) * s] = d[i * s];
    to_points(d[5 * s], d[6 * s], d[7 * s], d[8 * s], d[4 * s], d, s);
}

/* Four gradients to the output to the domain of what they multiply on the way to the weights: the transpose of output_from_domain. */
INLINE void output_to_domain(vec *y, int s) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    vec even_r = y0 + R2 * y2, odd_r = y1 + R2 * y3, even_s = y0 + S2 * y2, odd_s = y1 + S2 * y3;
    vec to[WHOLE] = {even_r + R * odd_r, even_r - R * odd_r, even_s + S * odd_s, even_s - S * odd_s, y3, y0, y1, y2, y3};
    UNROLL for (int i = 0; i < WHOLE; i++) y[i * s] = to[i];
}

/* From the domain to eight gradients to the input, even and odd in turn. */
INLINE void input_from_domain(vec *m) {
    vec odd[TILE], even[TILE];
    from_points(m, odd);
    UNROLL for (int i = 0; i < TILE; i++) even[i] = m[POINTS + i];
    UNROLL for (int i = 0; i < TILE; i++) {
        m[2 * i] = even[i];
        m[2 * i + 1] = odd[i];
    }
}

/* A tile of x in the domain, `count` channels from `channel` on: v[q * stride + c], q < ALL. It takes 9×9 pixels of a convolution's
input, or 5×5 of its output's gradient. */
INLINE void strided_to_domain(const struct unit *u, struct pixel tile, long channel, long count, float *v, long stride, int backward) {
    int side = backward ? POINTS : WHOLE;
    long top = backward ? tile.i * TILE : tile.i * 2 * TILE - 1, left = backward ? tile.j * TILE : tile.j * 2 * TILE - 1;
    const stored *corner = u->x + ((tile.image * u->height + top) * u->width + left) * u->inputs + channel;
    for (long c = 0; c < count; c += L) {
        vec d[ALL];
        UNROLL for (int q = 0; q < ALL; q++) __builtin_prefetch(v + q * stride + c, 1); /* stores would wait for these lines */
        for (int j = 0; j < side; j++) {
            const stored *column = corner + j * u->inputs + c;
            int inside = left + j >= 0 && left + j < u->width;
            UNROLL for (int i = 0; i < side; i++) {
                int there = inside && top + i >= 0 && top + i < u->height;
                d[i * WHOLE + j] = there ? fetch(column + i * u->width * u->inputs) : (vec){0};
            }
            if (backward) gradients_to_domain(d + j, WHOLE);
            else pixels_to_domain(d + j, WHOLE);
        }
        for (int i = 0; i < WHOLE; i++) {
            if (backward) gradients_to_domain(d + i * WHOLE, 1);
            else pixels_to_domain(d + i * WHOLE, 1);
            UNROLL for (int j = 0; j < WHOLE; j++) store(v + (i * WHOLE + j) * stride + c, d[i * WHOLE + j]);
        }
    }
}

/* Likewise a tile of the gradient to the output, which u has in y. */
INLINE void strided_gradient_to_domain(const struct unit *u, struct pixel tile, long channel, long count, float *z, long stride) {
    for (long k = 0; k < count; k += L) {
        vec d[ALL];
        UNROLL for (int q = 0; q < ALL; q++) __builtin_prefetch(z + q * stride + k, 1);
        for (int i = 0; i < TILE; i++) {
            UNROLL for (int j = 0; j < TILE; j++) {
                long top = tile.i * TILE + i, left = tile.j * TILE + j, at = (tile.image * u->out_height + top) * u->out_width + left;
                d[i * WHOLE + j] = top < u->out_height && left < u->out_width ? fetch(u->y + at * u->outputs + channel + k) : (vec){0};
            }
            output_to_domain(d + i * WHOLE, 1);
        }
        for (int j = 0; j < WHOLE; j++) {
            output_to_domain(d + j, WHOLE);
            UNROLL for (int i = 0; i < WHOLE; i++) store(z + (i * WHOLE + j) * stride + k, d[i * WHOLE + j]);
        }
    }
}

/* Pixels of y from L channels of a tile in the domain, m[q * apart]. */
INLINE void strided_from_domain(const struct unit *u, const float *m, long apart, struct pixel tile, long channel, int backward) {
    const int side = backward ? 2 * TILE : TILE;
    vec rows[2 * TILE][WHOLE];
    for (int j = 0; j < WHOLE; j++) {
        vec column[WHOLE];
        UNROLL for (int i = 0; i < WHOLE; i++) column[i] = load(m + (i * WHOLE + j) * apart);
        if (backward) input_from_domain(column);
        else output_from_domain(column);
        UNROLL for (int i = 0; i < side; i++) rows[i][j] = column[i];
    }
    long top = tile.i * side, left = tile.j * side, high = MIN(side, u->out_height - top), wide = MIN(side, u->out_width - left);
    long at = ((tile.image * u->out_height + top) * u->out_width + left) * u->outputs + channel;
    for (int i = 0; i < high; i++, at += u->out_width * u->outputs) {
        vec *row = rows[i];
        if (backward) input_from_domain(row);
        else output_from_domain(row);
        if (backward && u->sparse && i % 2 == 0) { /* what a strided shortcut's way back adds: each tile's even pixels */
            const stored *even = u->before + (((tile.image * u->height + (top + i) / 2) * u->width + left / 2) * u->outputs + channel);
            UNROLL for (int j = 0; j < TILE; j++) if (2 * j < wide) row[2 * j] += fetch(even + j * u->outputs);
        }
        UNROLL for (int j = 0; j < side; j += TILE) {
            if (wide - j >= TILE) finish(u, row + j, TILE, u->outputs, tile.image, channel, at + j * u->outputs);
            else if (wide > j) finish(u, row + j, wide - j, u->outputs, tile.image, channel, at + j * u->outputs);
        }
    }
}

/* y = tail(x * weights), see unit.h. `backward`: to the input of the convolution. */
INLINE void strided_pass(const struct unit *given, long images, int backward) {
    const struct unit copy = *given, *u = &copy; /* no store changes it, as the compiler can see */
    long down = CEIL(backward ? u->height : u->out_height, TILE), across = CEIL(backward ? u->width : u->out_width, TILE);
    long tiles = images * down * across, inputs = u->inputs, outputs = u->outputs, wide = MIN(PANEL, outputs);
    long block = share(tiles, MAX(MIN(BLOCK, ROOM / (ALL * (inputs + wide))), 4), omp_get_max_threads()), padded = CEIL(block, HIGH) * HIGH;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < tiles; first += block) {
        long count = MIN(block, tiles - first), stride = padded * inputs + L; /* L: else all lay in one set of the cache */
        float *v = workspace(0, ALL * stride), *m = workspace(1, ALL * (padded * wide + L));
        struct pixel tile = pixel(first, down, across);
        for (long r = 0; r < count; r++, next(&tile, down, across)) strided_to_domain(u, tile, 0, inputs, v + r * inputs, stride, backward);
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel(k, outputs);
            long apart = padded * columns + L;
            for (long q = 0; q < DOMAIN; q++) {
                const float *weights = u->weights + (q * outputs + k) * inputs, *then = q + 1 < DOMAIN ? weights + outputs * inputs : NULL;
                FOR_EACH_THAT_SHARES(q, n) {
                    product(v + n * stride, weights, m + n * apart, count, inputs, columns, then);
                    then = NULL;
                }
            }
            struct pixel after = tile = pixel(first, down, across);
            for (long r = 0; r < count; r++, next(&tile, down, across)) {
                next(&after, down, across);
                for (long c = 0; c < columns; c += L) {
                    if (!backward && c % LINE == 0) expect_tile(u, after, k + c); /* of 8×8 pixels it would be too much */
                    strided_from_domain(u, m + r * columns + c, apart, tile, k + c, backward);
                }
            }
        }
    }
}

static void strided(const struct unit *u, long images) {
    if (u->out_height > u->height || u->out_width > u->width) strided_pass(u, images, 1);
    else strided_pass(u, images, 0);
}
