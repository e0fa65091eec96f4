"""What a run is told to do: models of the YAML configuration file.

The defaults are those of a small run. Every key of a file is checked before anything is computed.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rlrec.workflow.policy_names import check_title, check_titles_differ

Count = Annotated[int, Field(ge=1)]
Sample = Annotated[int, Field(ge=2)]
"""Users over whom a mean gets an interval."""
Share = Annotated[float, Field(ge=0, le=1)]
Settings = dict[str, Any]
"""Keyword arguments of a component; the component itself refuses the ones it does not know."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class EnvironmentConfig(_Section):
    """The simulated users that the agent interacts with."""

    id: str
    """Name of the environment, such as `rlrec/InterestEvolution-v0`."""
    arguments: Settings = {}
    """Arguments of the environment."""
    validation: Settings = {}
    """Arguments that differ for the users on whom checkpoints are chosen."""
    evaluation: Settings = {}
    """Arguments that differ for the users every policy is judged on."""


class BaselineConfig(_Section):
    """One collaborative-filtering baseline."""

    name: str
    """As `rlrec.baselines.make_baseline` knows it."""
    settings: Settings = {}
    label: str | None = None
    """Name in tables and folders, with a letter and at most 80 characters; by default `name`."""

    @property
    def title(self) -> str:
        """Name under which results are shown."""
        return self.name if self.label is None else self.label

    @model_validator(mode="after")
    def _title_is_free(self) -> "BaselineConfig":
        check_title(self.title)
        return self


Baselines = Annotated[tuple[BaselineConfig, ...], Field(strict=False)]


class RankingConfig(_Section):
    """Baselines ranked on held-out ratings."""

    split: Literal["leave_one_out", "positive_by_time"]
    """Which ratings are held out, as in `rlrec.data`."""
    core: Annotated[int, Field(ge=3)] = 5
    """Events that each item and each user must have."""
    threshold: float = 4
    """Least rating that counts as an event; only for `positive_by_time`."""
    k: Count = 10
    """Length of the ranked lists that are judged."""
    baselines: Baselines | None = None
    """By default the baselines of the run."""


class DataConfig(_Section):
    """Real ratings, for users that are fitted instead of invented."""

    path: str
    """File or folder, as `rlrec.data.load_ratings` takes it."""
    columns: Settings = {}
    """Its other arguments, such as `format`, or the names of columns of a table."""
    rankings: Annotated[tuple[RankingConfig, ...] | None, Field(strict=False)] = None
    """How well baselines rank held-out ratings; one table each. By default one for each split,
    or none where the ratings have no timestamps."""
    users: Settings = {}
    """Settings of `rlrec.envs.fit_users`."""


class LoggingConfig(_Section):
    """The log that everything offline learns from."""

    n_steps: Count = 50_000
    """Slates shown in all."""
    n_users: Count = 500
    """Users served side by side."""
    n_bootstrap_steps: Count = 20_000
    """Random slates on which the logging baseline is fitted beforehand."""
    baseline: BaselineConfig | None = None
    """What logs, softened; without one the log is of random slates. `MyopicOracle` knows tastes."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Softness of the logging policy's choice among its scores."""
    random_share: Share = 0.1
    """Share of slates drawn at random, so that every slate has a chance."""


class AgentConfig(_Section):
    """The agent that is pretrained and fine-tuned."""

    name: str = "SlateQ"
    """Of an agent in `rlrec.agents`."""
    settings: Settings = {}
    item_factors: str | None = "auto"
    """Title of the baseline whose item factors the agent starts from; `auto`: the first that has
    some; null: none."""


class PretrainingConfig(_Section):
    """Learning from the log alone."""

    n_updates: Count = 3_000


class FinetuningConfig(_Section):
    """Learning by interaction with simulated users."""

    n_steps: Count = 200_000
    """Interactions (slates shown) in all."""
    n_users: Count = 256
    """Users served side by side."""
    evaluate_every: Count = 20_000
    """Interactions between two looks at the validation users."""
    n_validation_users: Sample = 300


class EvaluationConfig(_Section):
    """The judgement of every policy on the same users, who were never seen before."""

    n_users: Sample = 1_000
    seed: Annotated[int, Field(ge=0)] = 10_000
    """Seed of the test users; differs from the seed of the run."""
    n_reference_users: Count = 500
    """Users on whom the planning reference is fitted (not test users)."""


class RunConfig(_Section):
    """All of a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Folder under `runs/` and title of the report."""
    seed: Annotated[int, Field(ge=0)] = 0
    environment: EnvironmentConfig
    data: DataConfig | None = None
    logging: LoggingConfig = LoggingConfig()
    baselines: Baselines = ()
    agent: AgentConfig = AgentConfig()
    pretraining: PretrainingConfig = PretrainingConfig()
    finetuning: FinetuningConfig = FinetuningConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @field_validator("baselines")
    @classmethod
    def _titles_differ(cls, baselines: tuple[BaselineConfig, ...]) -> tuple[BaselineConfig, ...]:
        check_titles_differ([baseline.title for baseline in baselines])
        return baselines

    @model_validator(mode="after")
    def _test_users_are_new(self) -> "RunConfig":
        if self.evaluation.seed == self.seed:
            raise ValueError(
                f"evaluation.seed must differ from seed, both are {self.seed}: "
                "test users would be training users"
            )
        return self

    @model_validator(mode="after")
    def _item_factors_exist(self) -> "RunConfig":
        wanted = self.agent.item_factors
        titles = [baseline.title for baseline in self.baselines]
        if wanted not in (None, "auto", *titles):
            raise ValueError(
                f"agent.item_factors must be auto, null or the title of a baseline {titles}, "
                f"got {wanted!r}"
            )
        return self
