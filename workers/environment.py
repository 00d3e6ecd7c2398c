"""What a training process may see of the environment: a list of what passes, so that no secret ever does by accident.

Called by workers/run.py. Neither DATABASE_URL nor REDIS_URL nor any key, token or password passes (RELIABILITY,
security 20): the child knows its job folder and nothing else of the installation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PASSES = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|XDG_CACHE_HOME|PYTHONPATH|PYTHONHASHSEED|VIRTUAL_ENV"
    r"|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR|TUTELAGE_STARTED_FOR"
    r"|(CUDA|CUDNN|CUBLAS|NVIDIA|NCCL|ROCR|HIP|OMP|KMP|MKL|OPENBLAS|TORCH|PYTORCH|TORCHINDUCTOR|TRITON|HF|TRANSFORMERS"
    r"|TOKENIZERS|ACCELERATE)_\w+"
)
SECRET = re.compile(r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|CREDENTIAL|_KEY\b|_KEY_|API_?KEY|AUTH", re.IGNORECASE)


def child_environment(environment: Mapping[str, str], hub_models: bool) -> dict[str, str]:
    """The part of `environment` that training gets; the model hub stays out of reach unless it is allowed."""
    passed = {name: value for name, value in environment.items() if PASSES.fullmatch(name) and not SECRET.search(name)}
    passed["PYTHONUNBUFFERED"] = "1"  # so that log.txt is in order and whole when the process is killed
    if not hub_models:
        passed["HF_HUB_OFFLINE"] = "1"
    return passed


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that a worker trains on: those of CUDA_VISIBLE_DEVICES, else the first one."""
    names = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return sorted({name.strip() for name in names if name.strip()}) or ["0"]
