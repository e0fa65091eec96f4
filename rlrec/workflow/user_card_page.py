"""The card of fitted users as a folder with a page, which needs nothing else, and its JSON."""

from html import escape
from pathlib import Path

from rlrec.envs.fitting.validation.comparing import MOST_AUC, MOST_RATIO, TOLD_APART, Verdict
from rlrec.envs.fitting.validation.foretelling import Foretold, Loss
from rlrec.errors import ConfigError
from rlrec.workflow.html_tables import assumption_table, table
from rlrec.workflow.report_style import STYLE
from rlrec.workflow.run_folder import write_file
from rlrec.workflow.user_card import AUC_RULE, UserCard, card_json, number
from rlrec.workflow.user_card_plots import aspect_plot, calibration_plot, groups_legend
from rlrec.workflow.versions import running_code

_STYLE = """
.tag.agrees { background: #dff0e5; color: #215c38; }
.tag.differs { background: #f8dcdc; color: #8a1f1f; }
.tag.silent { background: #e8ebef; color: #4c5967; }
.small .plot { height: auto; } .plot text { font-size: 11px; }
.small figcaption { display: flex; justify-content: space-between; gap: 8px;
  align-items: start; }
.smalls { grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); }
.even { stroke: var(--soft); stroke-dasharray: 4 4; }
.beside { display: grid; grid-template-columns: minmax(240px, 330px) 1fr; gap: 24px; }
@media (max-width: 620px) { .beside { grid-template-columns: 1fr; } }
"""


def write_card(folder: Path, card: UserCard) -> Path:
    """Write `card.html` and `card.json` into a folder, made where it is missing; return the page.

    Raises:
        ConfigError: There is a file where the folder should be.
    """
    check_card_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "card.json", card_json(card))
    path = folder / "card.html"
    write_file(path, page(card))
    return path


def check_card_folder(folder: Path) -> None:
    """Raise ConfigError where a card cannot be written to `folder`."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; the card needs a folder")


def page(card: UserCard) -> str:
    """Return the card as HTML."""
    sections = [_verdicts(card), _aspects(card), _foretold(card.foretold), _made_of(card)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(card.headline)}</title><style>{STYLE}{_STYLE}</style></head><body><main>"
        f"{_head(card)}{''.join(sections)}</main></body></html>\n"
    )


def _head(card: UserCard) -> str:
    advice = "".join(f"<p>{escape(sentence)}</p>" for sentence in card.advice)
    kicker = f"{card.users} beside {card.data} · simulated: {card.population} · seed {card.seed}"
    area, losses = card.of(TOLD_APART), card.foretold.losses
    best = min(card.foretold.controls, key=lambda loss: loss.log_loss)
    facts = (
        (f"{len(card.named('agrees'))} of {card.n_told}", "aspects in which they agree"),
        (number(area.simulated, 2), f"AUC of a classifier; log beside log {area.control:.2f}"),
        (f"{losses[0].log_loss:.3f}", f"log-loss of {card.foretold.unit}, in nats"),
        (f"{best.log_loss:.3f}", f"of the best control: {best.name}"),
    )
    boxes = "".join(
        f'<div class="fact"><b>{escape(figure)}</b><span>{escape(words)}</span></div>'
        for figure, words in facts
    )
    return (
        f'<header><p class="kicker">{escape(kicker)}</p><h1>{escape(card.headline)}</h1>'
        f'{advice}</header><div class="facts">{boxes}</div>'
    )


def _verdicts(card: UserCard) -> str:
    n = f"{card.comparison.n_persons:,}"
    whose = {
        "slates": f"The {n} persons of the log",
        "ratings": f"The {n} persons of the ratings whom the users were not fitted to",
    }[card.kind]
    note = (
        f"{whose} are halved at random, five times. "
        "Each aspect has its distance between one half and as many simulated users, beside that "
        "between the two halves, which is what chance makes of no difference. It agrees up to "
        f"{MOST_RATIO:g} times the latter; of the classifier, where the area under its ROC curve "
        f"is at most {MOST_AUC:g}, whatever that of two halves is. Distances are "
        "Kolmogorov-Smirnov statistics of distributions, of rates and shares root mean squared "
        "differences over their mean. p is that of a test which permutes persons of the log and "
        "simulated ones: a small one says that there is a difference, the distance how large it "
        "is. What is foretold has log-losses, the control being the best other way to foretell; it "
        "agrees where the users are better than each that must be beaten."
    )
    if card.kind == "slates":
        note += (
            " Simulated visits are cut off where those of the log are, or would have been; only "
            "visits that were seen to end count in aspects of a visit."
        )
    titles = ["Aspect", "Simulated users", "Control", "Ratio", "p", "Verdict"]
    rows = [_verdict_row(verdict) for verdict in card.verdicts]
    figures = [
        f"<tr><td>{escape(one.name)}</td><td>{number(one.log)}</td>"
        f"<td>{number(one.simulated)}</td></tr>"
        for one in card.comparison.figures
    ]
    further = table(["Figure", "The log", "Simulated users"], figures)
    return (
        f'<section><h2>Verdicts</h2><p class="note">{escape(note)}</p>{table(titles, rows)}'
        f"{further}</section>"
    )


def _verdict_row(verdict: Verdict) -> str:
    is_ratio = verdict.aspect != TOLD_APART and verdict.control > 0
    ratio = number(verdict.simulated / verdict.control, 1) if is_ratio else ""
    numbers = (number(verdict.simulated), number(verdict.control), ratio, number(verdict.p_value))
    cells = "".join(f"<td>{cell}</td>" for cell in numbers)
    rule = f" <small>{AUC_RULE}</small>" if verdict.aspect == TOLD_APART else ""
    return f"<tr><td>{escape(verdict.aspect)}</td>{cells}<td>{_tag(verdict)}{rule}</td></tr>"


def _tag(verdict: Verdict) -> str:
    style = verdict.word if verdict.word in ("agrees", "differs") else "silent"
    return f'<span class="tag {style}">{escape(verdict.word)}</span>'


def _aspects(card: UserCard) -> str:
    note = (
        "Two halves of the log, and users simulated beside the first. Of distributions the share "
        "of values up to a number is drawn, of rates and shares each situation."
    )
    plots = [
        f'<figure class="small"><figcaption><span>{escape(name)}</span>{_tag(card.of(name))}'
        f"</figcaption>{aspect_plot(seen)}</figure>"
        for name, seen in card.comparison.seen.items()
    ]
    return (
        f'<section class="long"><h2>Aspect by aspect</h2><p class="note">{escape(note)}</p>'
        f"{groups_legend()}"
        f'<div class="smalls">{"".join(plots)}</div></section>'
    )


def _foretold(foretold: Foretold) -> str:
    note = (
        f"Log-loss of {foretold.unit}, given what the person did before, in nats; controls are "
        "what a model must beat, with the mean difference over persons and its 95 % interval. "
        "Calibration: of all that was stated to be taken with about the same probability, the "
        "share that was; each point stands for as many expected takings."
    )
    rows = [_loss_row(loss) for loss in foretold.losses]
    losses = table(["Foretold by", "Log-loss", "Worse by"], rows) + _references(foretold)
    bins = [
        f"<tr><td>{each.predicted:.4f}</td><td>{each.observed:.4f}</td><td>{each.n:,}</td></tr>"
        for each in foretold.bins
    ]
    error = f"<p>Expected calibration error: {foretold.calibration_error:.4f}.</p>"
    calibration = table(["Stated", "Share taken", "Predictions"], bins)
    return (
        f'<section class="long"><h2>What is foretold</h2><p class="note">{escape(note)}</p>{losses}'
        f'<h3>Calibration</h3><div class="beside">{calibration_plot(foretold)}'
        f"<div>{calibration}{error}</div></div></section>"
    )


def _references(foretold: Foretold) -> str:
    """Return the figures of other settings, which tell what those above are due to."""
    if not foretold.references:
        return ""
    own = foretold.as_reference("persons of the log, their last choices")
    rows = [
        f"<tr><td>{escape(each.name)}</td><td>{number(each.log_loss)}</td>"
        f"<td>{number(each.calibration)}</td></tr>"
        for each in (own, *foretold.references)
    ]
    note = (
        "What attracts most is chosen first, and a taste learned from few choices is too sure of "
        "itself: so the last choices are foretold less well even of the simulated users themselves."
    )
    titles = ["The same of other choices", "Log-loss", "Calibration"]
    return f'{table(titles, rows)}<p class="note">{escape(note)}</p>'


def _loss_row(loss: Loss) -> str:
    worse = loss.worse_by
    cell = ""
    if worse is not None:
        low, high = number(worse.low, 4), number(worse.high, 4)
        cell = f"{number(worse.value, 4)} <small>{low} to {high}</small>"
    is_shown_only = worse is not None and not loss.is_control
    name = escape(loss.name) + (" <small>need not be beaten</small>" if is_shown_only else "")
    return f"<tr><td>{name}</td><td>{number(loss.log_loss, 4)}</td><td>{cell}</td></tr>"


def _made_of(card: UserCard) -> str:
    note = (
        "What the users are made of. What is assumed, and what a log of this kind is silent on, no "
        "comparison above can tell right from wrong."
    )
    code = running_code()
    versions = ", ".join(f"{name} {version}" for name, version in code["versions"].items())
    made = f"{versions}; commit {code['commit'] or 'unknown'}"
    lines = [line._asdict() for line in card.assumptions]
    return (
        f'<section class="long"><h2>Estimated and assumed</h2><p class="note">{escape(note)}</p>'
        f'{assumption_table(lines)}<p class="note">{escape(made)}</p></section>'
    )
