"""Parts of the syntax that GFV and GFVE share or that are large: network, key points, matrices (SPEC.md C.4).

Each function serves reader and writer: a reader fills the object, a writer takes from it.
"""

from __future__ import annotations

from .elements import Elements
from .messages import NN_PAYLOAD, NN_URI, Coordinates, Matrices, MatrixGroup, NeuralNetwork
from .state import History

# A limit of ours on points x axes and on matrix elements of one message: the syntax has none that bounds memory.
MAX_VALUES = 1 << 15
MAX_TYPES = 64
MAX_COUNT = 1023
MAX_PRECISION = 31


def code_network(c: Elements, prefix: str, network: NeuralNetwork | None) -> NeuralNetwork | None:
    """gfv_nn_ or gfve_nn_ elements up to the URI."""
    if not c.u(f"{prefix}_nn_present_flag", 1, int(network is not None)):
        return None
    network = network or NeuralNetwork()
    network.mode = c.ue(f"{prefix}_nn_mode_idc", network.mode)
    if network.mode > NN_URI:
        c.refuse(f"{prefix}_nn_mode_idc", network.mode, "0..1")
    if network.mode == NN_URI:
        c.align(f"{prefix}_nn_alignment_zero_bit_a")
        network.tag_uri = c.text(f"{prefix}_nn_tag_uri", network.tag_uri)
        network.uri = c.text(f"{prefix}_nn_uri", network.uri)
    return network


def code_network_payload(c: Elements, prefix: str, network: NeuralNetwork | None) -> None:
    """The network itself, to the end of the payload, with mode 0."""
    if network is not None and network.mode == NN_PAYLOAD:
        c.align(f"{prefix}_nn_alignment_zero_bit_b")
        network.payload = c.rest(network.payload)


def code_coordinates(c: Elements, block: Coordinates, history: History, *, base: int) -> None:
    """The coordinate block."""
    block.pred = c.u("gfv_kps_pred_flag", 1, block.pred)
    if base or not block.pred:
        block.precision = c.ue("gfv_coordinate_precision_factor_minus1", block.precision - 1, MAX_PRECISION) + 1
        count = c.ue("gfv_num_kps_minus1", len(block.values) - 1, MAX_VALUES - 1) + 1
        if c.u("gfv_coordinate_z_present_flag", 1, int(block.z_max is not None)):
            block.z_max = c.ue("gfv_coordinate_z_max_value_minus1", (block.z_max or 1) - 1, 65535, fatal=False) + 1
        else:
            block.z_max = None
    else:
        reference = history.base_points
        if reference is None:
            c.stop("gfv_kps_pred_flag", 1, "0", "gfv_kps_pred_flag is 1, but no base message before has coordinates")
        block.precision, block.z_max, count = reference.precision, reference.z_max, len(reference.values)
    axes = "xy" if block.z_max is None else "xyz"
    if count * len(axes) > MAX_VALUES:
        c.stop("gfv_num_kps_minus1", count - 1, f"0..{MAX_VALUES // len(axes) - 1}")
    if c.writing and (len(block.values) != count or any(len(point) != len(axes) for point in block.values)):
        c.stop("coordinates", f"{len(block.values)} points", f"{count} points of {len(axes)} values")
    stems = [f"gfv_coordinate_{'d' if block.pred else ''}{axis}" for axis in axes]
    if c.writing:
        for point in block.values:
            for stem, value in zip(stems, point, strict=True):
                c.signed(stem, value)
    else:
        block.values = [[c.signed(stem) for stem in stems] for _ in range(count)]


def code_matrices(
    c: Elements, block: Matrices, history: History, *, base: int, points: tuple[int, bool] | None
) -> None:
    """The matrix block of GFV; points: number of key points of the message and whether they are 3-D, None without."""
    block.pred = 0 if base else c.u("gfv_matrix_pred_flag", 1, block.pred)
    if block.pred:
        take_geometry(c, "gfv", block, history)
    else:
        block.precision = c.ue("gfv_matrix_element_precision_factor_minus1", block.precision - 1, MAX_PRECISION) + 1
        number = c.ue("gfv_num_matrix_types_minus1", len(block.groups) - 1, MAX_TYPES - 1) + 1
        if not c.writing:
            block.groups = [MatrixGroup() for _ in range(number)]
        total = 0
        for group in block.groups:
            _code_type(c, group, points)
            total += group.count * group.rows * group.columns
            check_size(c, total)
    code_elements(c, "gfv", block, coded_dec=bool(block.pred))


def code_elements(c: Elements, prefix: str, block: Matrices, *, coded_dec: bool) -> None:
    """Elements of all matrices; coded_dec: the fraction is ue(v), else u(precision)."""
    stem = f"{prefix}_matrix_{'delta_' if block.pred else ''}element"
    for group in block.groups:
        size = group.count * group.rows * group.columns
        if not c.writing:
            group.elements = [c.fixed_point(stem, block.precision, coded_dec=coded_dec) for _ in range(size)]
            continue
        if len(group.elements) != size:
            c.stop("matrix elements", len(group.elements), str(size))
        for element in group.elements:
            c.fixed_point(stem, block.precision, element, coded_dec=coded_dec)


def take_geometry(c: Elements, prefix: str, block: Matrices, history: History) -> None:
    """Precision and geometry of a predicted message: those of the last base message."""
    reference = history.base_matrices
    if reference is None:
        name = f"{prefix}_matrix_pred_flag"
        c.stop(name, 1, "0", f"{name} is 1, but no base message before has matrices")
    block.precision = reference.precision
    if not c.writing:
        block.groups = [MatrixGroup(*geometry) for geometry in reference.geometry]
    elif tuple(group.geometry for group in block.groups) != reference.geometry:
        c.stop("matrix geometry", str([group.geometry for group in block.groups]), str(list(reference.geometry)))


def check_size(c: Elements, total: int) -> None:
    """Stop before more matrix elements than MAX_VALUES are read."""
    if total > MAX_VALUES:
        allowed = f"at most {MAX_VALUES} matrix elements"
        c.stop(c.elements[-1][0], total, allowed, f"{total} matrix elements, {allowed} expected")


def _code_type(c: Elements, group: MatrixGroup, points: tuple[int, bool] | None) -> None:
    """Type and geometry of one group of matrices."""
    group.type = c.u("gfv_matrix_type_idx", 6, group.type)
    if group.type < 2:
        if points is None:
            c.stop("gfv_matrix_type_idx", group.type, "2..63 without coordinates")
        group.count = _code_count(c, group.count, points[0])
        group.rows = group.columns = _fixed(c, group, 3 if points[1] else 2)
    elif group.type in (4, 5, 6):
        three_d = points[1] if points else bool(c.u("gfv_matrix_3d_space_flag", 1, int(group.rows == 3)))
        side = 3 if three_d else 2
        if c.writing and (group.count, group.rows, group.columns) != (1, side, side if group.type == 4 else 1):
            c.stop("matrix geometry", str(group.geometry[1:]), f"one of {side}x{side if group.type == 4 else 1}")
        group.count, group.rows, group.columns = 1, side, side if group.type == 4 else 1
    else:
        if group.type >= 7:
            group.count = c.ue("gfv_num_matrices_minus1", group.count - 1, MAX_COUNT) + 1
        elif c.writing and group.count != 1:
            c.stop("matrix count", group.count, "1")
        group.columns = c.ue("gfv_matrix_width_minus1", group.columns - 1, MAX_COUNT) + 1
        group.rows = c.ue("gfv_matrix_height_minus1", group.rows - 1, MAX_COUNT) + 1


def _fixed(c: Elements, group: MatrixGroup, side: int) -> int:
    if c.writing and (group.rows, group.columns) != (side, side):
        c.stop("matrix geometry", f"{group.rows}x{group.columns}", f"{side}x{side}")
    return side


def _code_count(c: Elements, count: int, points: int) -> int:
    """How many matrices of type 0 or 1: as many as points, or another number, for which that one is left out."""
    if c.u("gfv_num_matrices_equal_to_num_kps_flag", 1, int(count == points)):
        return points
    info = c.ue("gfv_num_matrices_info", count - 1 if count < points else count - 2, MAX_COUNT)
    return info + 1 if info < points - 1 else info + 2
