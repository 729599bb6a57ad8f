"""Vector values for numba: the models of a tile side by side, kept in registers.

A `Vector` is a first-class value of numba's compiled code, an LLVM vector of `MODELS` models times 1, 2 or 4 rows;
LLVM splits it over as many registers as the processor needs. Lane `row * MODELS + model`. Functions below are generic
over element and lane count: where a type cannot be seen from the arguments, `like` is a value of the wanted type.

Only operations that IEEE 754 rounds correctly are offered (+ - * / sqrt, comparison, selection), none is fused or
reordered, so the bits are the same on every processor.
"""

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel


def _models_in_a_tile() -> int:
    """As many models as hide the latency of their operations, and as few as the registers hold: measured.

    On AVX-512 (32 registers of 16 float32) 32 models are 10 to 40% faster than 16; on AVX2 up to a third slower.
    """
    config: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]  (documented, not listed)
    features: str | None = config.CPU_FEATURES
    if features is None:
        has_wide_registers = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
    else:
        has_wide_registers = "+avx512f" in features
    return 32 if has_wide_registers else 16


MODELS = _models_in_a_tile()
# rows that go through a network together, and how far apart (in elements) one unit's and the next one's stand
ROWS = 4
STRIDE = ROWS * MODELS

# decorators without types of their own; what they make is called from compiled code, with other arguments than written
intrinsic: Any = extending.intrinsic
lower_builtin: Any = extending.lower_builtin
register_model: Any = extending.register_model
type_callable: Any = extending.type_callable

_elements: dict[str, ir.Type] = {
    "f32": ir.FloatType(),
    "u32": ir.IntType(32),
    "bool": ir.IntType(1),
}
_element_of = {types.float32: "f32", types.uint32: "u32"}


class Vector(types.Type):
    """The type of a vector: element (`f32`, `u32`, `bool`) and number of lanes."""

    def __init__(self, element: str, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        super().__init__(name=f"Vector({element}x{lanes})")

    @property
    def rows(self) -> int:
        """Rows of `MODELS` models."""
        return self.lanes // MODELS

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.element == "f32"

    @property
    def llvm(self) -> ir.VectorType:
        """The vector's type in LLVM."""
        return ir.VectorType(_elements[self.element], self.lanes)

    def with_element(self, element: str) -> "Vector":
        """As many lanes of another element."""
        return Vector(element, self.lanes)


@register_model(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


def _constant(vector: Vector, value: float | int) -> ir.Constant:
    return ir.Constant(vector.llvm, [value] * vector.lanes)


def _shuffle(builder: Any, value: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


# operators between vectors of one type --------------------------------------------------------------------------------


def _typed(function: Any, elements: tuple[str, ...], result: str | None = None) -> None:
    """Let `function` take two equal vectors of these elements; comparisons give a vector of `result`."""

    @type_callable(function)
    def typed(context: Any) -> Callable[[Any, Any], Vector | None]:
        def typer(a: Any, b: Any) -> Vector | None:
            if isinstance(a, Vector) and a == b and a.element in elements:
                return a.with_element(result) if result else a
            return None

        return typer


def _arithmetic(function: Any, for_floats: str | None, for_words: str | None) -> None:
    elements = (("f32",) if for_floats else ()) + (("u32", "bool") if for_words else ())
    _typed(function, elements)

    @lower_builtin(function, Vector, Vector)
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        method = for_floats if signature.args[0].is_float else for_words
        return getattr(builder, str(method))(*args)


def _comparison(function: Any, symbol: str) -> None:
    _typed(function, ("f32", "u32"), "bool")

    @lower_builtin(function, Vector, Vector)
    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if signature.args[0].is_float:
            return builder.fcmp_ordered(symbol, *args)
        return builder.icmp_unsigned(symbol, *args)


_arithmetic(operator.add, "fadd", "add")
_arithmetic(operator.sub, "fsub", "sub")
_arithmetic(operator.mul, "fmul", None)
_arithmetic(operator.truediv, "fdiv", None)
_arithmetic(operator.xor, None, "xor")
_arithmetic(operator.and_, None, "and_")
_arithmetic(operator.or_, None, "or_")
for _function, _symbol in (
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.eq, "=="),
):
    _comparison(_function, _symbol)


# memory ---------------------------------------------------------------------------------------------------------------


@intrinsic
def pointer_to(typing_context: Any, array: Any) -> Any:
    """The address of an array's first element, which may be indexed.

    Numba counts references to arrays wherever a function takes one, which cost a tenth of a small network's training;
    it counts none to a pointer, so whoever calls the compiled code has to keep the array.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data

    return types.CPointer(array.dtype)(array), code


@intrinsic
def out_of_line(typing_context: Any) -> Any:
    """Let the compiled function that calls this stay one of its own, its stack at multiples of a register of 64 bytes.

    What LLVM inlines into a loop, it prepares before the loop, whether it comes to that or not. On the stack's place it
    decides before it knows whether vectors will be spilled; where they are, each would else lie across two cache lines.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("nounwind")  # llvmlite writes none of an empty set
        builder.function.attributes.add("noinline")
        builder.function.attributes.alignstack = 64
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def load(typing_context: Any, memory: Any, index: Any, like: Any) -> Any:
    """The vector at `index` (in elements, a multiple of `MODELS`) of a pointer to memory aligned to 64 bytes."""
    vector = Vector(_element_of[memory.dtype], like.lanes)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]])
        return builder.load(builder.bitcast(place, vector.llvm.as_pointer()), align=64)

    return vector(memory, types.intp, like), code


@intrinsic
def store(typing_context: Any, memory: Any, index: Any, value: Any) -> Any:
    """Write a vector at `index` (in elements, a multiple of `MODELS`) of a pointer to memory aligned to 64 bytes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]])
        builder.store(args[2], builder.bitcast(place, value.llvm.as_pointer()), align=64)
        return context.get_dummy_value()

    return types.void(memory, types.intp, value), code


# a transposition of 8 x 8 numbers: which of two vectors' lanes stand side by side after each of its three steps
_STEPS = (
    (1, [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]),
    (2, [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
    (4, [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
)


@intrinsic
def copy_transposed(context: Any, source: Any, places: Any, offset: Any, memory: Any, index: Any) -> Any:
    """Write 8 numbers of `source` from `offset` behind each of 8 places: the first of each at `index` of `memory`.

    The others a `STRIDE` further on each. `index` is a multiple of 8.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(_elements["f32"], 8).as_pointer()
        places = cgutils.unpack_tuple(builder, args[1], 8)
        rows = [builder.gep(args[0], [builder.add(place, args[2])]) for place in places]
        found = [builder.load(builder.bitcast(row, vector), align=4) for row in rows]
        for apart, low, high in _STEPS:
            for i in range(8):
                if i & apart == 0:
                    a, b = found[i], found[i + apart]
                    masks = (ir.Constant(ir.VectorType(ir.IntType(32), 8), lanes) for lanes in (low, high))
                    found[i], found[i + apart] = (builder.shuffle_vector(a, b, mask) for mask in masks)
        for i, column in zip((0, 2, 1, 3, 4, 6, 5, 7), found, strict=True):
            place = builder.gep(args[3], [builder.add(args[4], ir.Constant(ir.IntType(64), i * STRIDE))])
            builder.store(column, builder.bitcast(place, vector), align=32)
        return context.get_dummy_value()

    return types.void(source, places, types.intp, memory, types.intp), code


# making and reshaping -------------------------------------------------------------------------------------------------


def _convert(builder: Any, number: Any, found: Any, wanted: str) -> Any:
    """A scalar argument as an element: numbers written in the code become constants of the element's type."""
    if wanted == "u32":
        width = number.type.width
        return builder.trunc(number, _elements["u32"]) if width > 32 else number
    if isinstance(found, types.Integer):
        return builder.sitofp(number, _elements[wanted])
    return builder.fptrunc(number, _elements[wanted]) if found == types.float64 else number


def _broadcast(builder: Any, element: Any, vector: Vector) -> Any:
    first = builder.insert_element(ir.Constant(vector.llvm, ir.Undefined), element, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, first, [0] * vector.lanes)


@intrinsic
def splat(typing_context: Any, number: Any, like: Any) -> Any:
    """A number in every lane, rounded to the element of `like`."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = _convert(builder, args[0], signature.args[0], like.element)
        return _broadcast(builder, element, like)

    number = types.unliteral(number)
    return like(number, like), code


def _empty(memory: Any, rows: int) -> Any:
    vector = Vector(_element_of[memory.dtype], rows * MODELS)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _constant(vector, 0)

    return vector(memory), code


@intrinsic
def zeros1(typing_context: Any, memory: Any) -> Any:
    """Zeros for one row of models, of the element that is pointed to."""
    return _empty(memory, 1)


@intrinsic
def zeros2(typing_context: Any, memory: Any) -> Any:
    """Zeros for two rows of models."""
    return _empty(memory, 2)


@intrinsic
def zeros4(typing_context: Any, memory: Any) -> Any:
    """Zeros for four rows of models."""
    return _empty(memory, 4)


@intrinsic
def n_rows_of(typing_context: Any, like: Any) -> Any:
    """How many rows a vector holds, known when the code is compiled."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, like.rows)

    return types.intp(like), code


@intrinsic
def spread(typing_context: Any, value: Any, like: Any) -> Any:
    """One row's vector repeated for every row of `like`."""
    vector = like.with_element(value.element)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _shuffle(builder, args[0], list(range(MODELS)) * like.rows)

    return vector(value, like), code


@intrinsic
def fold(typing_context: Any, value: Any) -> Any:
    """The sum over rows, added in row order: a vector of one row."""
    one = Vector(value.element, MODELS)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [_shuffle(builder, args[0], list(range(r * MODELS, (r + 1) * MODELS))) for r in range(value.rows)]
        total = rows[0]
        for row in rows[1:]:
            total = builder.fadd(total, row)
        return total

    return one(value), code


# selection and elementary operations ----------------------------------------------------------------------------------


@intrinsic
def select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`; nothing of the other leaks, NaN neither."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(condition, a, b), code


def _llvm_intrinsic(name: str, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        suffix = f"v{value.lanes}{value.element}"
        function = ir.FunctionType(value.llvm, [value.llvm])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.{suffix}"), args)

    return value(value), code


@intrinsic
def sqrt(typing_context: Any, value: Any) -> Any:
    """The square root, correctly rounded."""
    return _llvm_intrinsic("sqrt", value)


@intrinsic
def absolute(typing_context: Any, value: Any) -> Any:
    """The value without its sign."""
    return _llvm_intrinsic("fabs", value)


@intrinsic
def round_down(typing_context: Any, value: Any) -> Any:
    """The largest whole number not above the value."""
    return _llvm_intrinsic("floor", value)


@intrinsic
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2 to a whole exponent from -126 to 127."""
    whole = ir.VectorType(ir.IntType(32), exponent.lanes)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        biased = builder.add(builder.fptosi(args[0], whole), ir.Constant(whole, [127] * exponent.lanes))
        return builder.bitcast(builder.shl(biased, ir.Constant(whole, [23] * exponent.lanes)), exponent.llvm)

    return exponent(exponent), code


@intrinsic
def exponent_of(typing_context: Any, value: Any) -> Any:
    """The whole number e of each positive normal value m 2^e, m from 1 up and below 2."""
    whole = ir.VectorType(ir.IntType(32), value.lanes)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        biased = builder.lshr(builder.bitcast(args[0], whole), ir.Constant(whole, [23] * value.lanes))
        return builder.sitofp(builder.sub(biased, ir.Constant(whole, [127] * value.lanes)), value.llvm)

    return value(value), code


# words ----------------------------------------------------------------------------------------------------------------


def _distances(builder: Any, distance: Any, vector: Vector) -> Any:
    return _broadcast(builder, builder.trunc(distance, ir.IntType(32)), vector)


@intrinsic
def rotate_left(typing_context: Any, value: Any, distance: Any) -> Any:
    """32-bit words rotated to the left by a distance from 1 to 31."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        distances = _distances(builder, args[1], value)
        function = ir.FunctionType(value.llvm, [value.llvm] * 3)
        rotate = cgutils.get_or_insert_function(builder.module, function, f"llvm.fshl.v{value.lanes}i32")
        return builder.call(rotate, [args[0], args[0], distances])

    return value(value, types.intp), code


@intrinsic
def share_of(typing_context: Any, value: Any, size: Any) -> Any:
    """Random 32-bit words as whole numbers from 0 to size - 1: the upper half of their product with `size`."""
    wide = ir.IntType(64)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = ir.VectorType(wide, value.lanes)
        sizes = builder.insert_element(ir.Constant(words, ir.Undefined), args[1], ir.Constant(ir.IntType(32), 0))
        product = builder.mul(builder.zext(args[0], words), _shuffle(builder, sizes, [0] * value.lanes))
        return builder.trunc(builder.lshr(product, ir.Constant(words, [32] * value.lanes)), value.llvm)

    return value(value, types.int64), code


@intrinsic
def as_float(typing_context: Any, value: Any) -> Any:
    """Words as float32 numbers, rounded to nearest."""
    vector = value.with_element("f32")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.uitofp(args[0], vector.llvm)

    return vector(value), code


@intrinsic
def shift_right(typing_context: Any, value: Any, distance: Any) -> Any:
    """32-bit words shifted to the right by a distance from 0 to 31, zeros following."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(args[0], _distances(builder, args[1], value))

    return value(value, types.intp), code
