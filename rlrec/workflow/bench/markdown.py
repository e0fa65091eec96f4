"""The results of a benchmark as Markdown."""

from collections.abc import Sequence

from rlrec.workflow.bench.results import BenchResults
from rlrec.workflow.bench.tables import Table


def markdown(results: BenchResults, tables: Sequence[Table], command: str) -> str:
    """Return all tables, with what they were made with.

    Args:
        results: Of the cells.
        tables: `all_tables` of them.
        command: As it was called.
    """
    parts = ["# Benchmark", f"Command: `{command}`", *making(results)]
    for table in tables:
        parts += [f"## {table.title}", table.note, _table(table)]
    return "\n\n".join(parts) + "\n"


def making(results: BenchResults) -> list[str]:
    """Return in sentences what made the results: cells, time, commits and versions."""
    made = [row["made"] for row in results.rows]
    hours = sum(part["cpu_seconds"] for part in made) / 3600
    commits = sorted({str(part.get("commit"))[:12] for part in made})
    machines = sorted({str(part.get("machine")) for part in made})
    versions = sorted(
        {", ".join(f"{name} {is_}" for name, is_ in part["versions"].items()) for part in made}
    )
    left_out = f" Left out, as of other settings: {len(results.left_out):,} cells."
    return [
        f"{len(made):,} cells, {hours:.2f} CPU-hours; commit {' and '.join(commits)}; "
        f"{' and '.join(machines)}.{left_out if results.left_out else ''}",
        f"Versions: {'; '.join(versions)}.",
    ]


def _table(table: Table) -> str:
    lines = [_line(table.columns), _line(["---"] * len(table.columns))]
    return "\n".join([*lines, *map(_line, table.rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
