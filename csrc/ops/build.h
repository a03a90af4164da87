// Building expressions in C++: what gradients, passes and bindings are written with.
//
// Elementwise ops are free functions of their registry names (exp(x), add(x, y), switch_(c, a, b));
// operators are defined on Var. A double on one side becomes a constant of the other side's dtype
// if that is floating, else of the smallest type that holds it (Theano's autocast).
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "graph/op.h"

namespace phintys {

// --- constants -------------------------------------------------------------------------------
Var constant(double value, DType dtype);
Var constant_int(int64_t value, DType dtype = DType::i64);
Var constant_array(Array value);
// If `v` is a constant whose elements are all equal (or a broadcast of one, through dimshuffle,
// alloc, cast, second): its value. Constants of more than 2^16 elements are not searched. Complex
// constants count where their imaginary parts are 0.
bool uniform_constant(const Variable* v, double* out);
bool constant_int_value(const Variable* v, int64_t* out);

// --- elementwise -----------------------------------------------------------------------------
// Applies registry op `name`, padding ranks with DimShuffle.
Var elemwise(std::string_view name, std::vector<Var> inputs);
Var elemwise(int index, std::vector<Var> inputs);
Var cast(const Var& x, DType dtype);  // x itself if it already has the dtype
Var cast_like(const Var& x, const Var& model);
// Of real x: x itself, zeros, x itself.
Var real(const Var& x);
Var imag(const Var& x);
Var conj(const Var& x);
Var complex_of(const Var& re, const Var& im);

Var operator+(const Var& a, const Var& b);
Var operator-(const Var& a, const Var& b);
Var operator*(const Var& a, const Var& b);
Var operator/(const Var& a, const Var& b);
Var operator-(const Var& a);
Var operator+(const Var& a, double b);
Var operator-(const Var& a, double b);
Var operator*(const Var& a, double b);
Var operator/(const Var& a, double b);
Var operator+(double a, const Var& b);
Var operator-(double a, const Var& b);
Var operator*(double a, const Var& b);
Var operator/(double a, const Var& b);
// One function per registry op is declared in ops/build_elementwise.h, from the registry's names.

// --- shapes ----------------------------------------------------------------------------------
Var shape_i(const Var& x, int axis);  // int64 scalar: a constant where the type knows it
std::vector<Var> shape_list(const Var& x);
Var make_vector(std::vector<Var> scalars);  // int64 vector
Var shape(const Var& x);                    // make_vector of shape_i
// Theano's patterns: order[i] is an input axis or -1 ('x'). Axes left out must be known to be 1.
Var dimshuffle(const Var& x, std::vector<int64_t> order);
Var transpose(const Var& x);           // all axes reversed
Var pad_left(const Var& x, int ndim);  // adds leading broadcastable axes up to rank ndim
Var reshape(const Var& x, const Var& shape_vector, int ndim);
Var reshape(const Var& x, std::vector<Var> dims);
Var alloc(const Var& value, std::vector<Var> dims);
Var zeros_like(const Var& x);
Var ones_like(const Var& x);
Var full_like(double value, const Var& x, DType dtype);
// Forgets or claims broadcastable dimensions; claims are checked at run time.
Var specify_shape(const Var& x, Dims dims);

// --- reductions, products, indexing ------------------------------------------------------------
Var reduce(std::string_view kind, const Var& x, std::vector<int64_t> axes, bool keepdims = false);
Var sum(const Var& x, std::vector<int64_t> axes, bool keepdims = false);
Var sum_all(const Var& x);
Var argmax(const Var& x, std::vector<int64_t> axes);
Var dot(const Var& a, const Var& b);  // 1-d and 2-d operands, all combinations
Var join(int axis, std::vector<Var> parts);

// Adds dimensions of length one or sums over broadcast ones so that `g` (gradient of something
// broadcast from `like`) gets the rank and broadcast pattern of `like`.
Var unbroadcast_to(const Var& g, const Var& like);

}  // namespace phintys
