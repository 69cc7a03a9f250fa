"""The benchmark of domain shift: python -m benchmarks.shift {prepare,train,adapt,table}."""

from benchmarks.shift.commands import main

if __name__ == "__main__":
    main()
