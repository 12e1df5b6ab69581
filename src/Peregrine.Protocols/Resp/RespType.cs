using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Protocols;

/// <summary>The types of RESP3. Those up to <see cref="Array"/>, and the null, are RESP2's too.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The names are the protocol's.")]
public enum RespType : byte
{
    /// <summary><c>_</c>; and the bulk string <c>$-1</c> and the array <c>*-1</c>, which are the nulls of RESP2.</summary>
    Null,

    /// <summary><c>+</c>: a line of text.</summary>
    SimpleString,

    /// <summary><c>-</c>: a line that says what is wrong, and begins with a word in capitals, such as <c>ERR</c>.</summary>
    Error,

    /// <summary><c>:</c>: a signed number of 64 bits.</summary>
    Integer,

    /// <summary><c>$</c>: any bytes.</summary>
    BulkString,

    /// <summary><c>*</c>: values.</summary>
    Array,

    /// <summary><c>#</c>.</summary>
    Boolean,

    /// <summary><c>,</c>: a number of double precision, or infinite, or none (nan).</summary>
    Double,

    /// <summary><c>(</c>: a whole number of any size, in decimal digits.</summary>
    BigNumber,

    /// <summary><c>!</c>: an error of any bytes.</summary>
    BulkError,

    /// <summary><c>=</c>: text with three letters in front that say its format, <c>txt</c> or <c>mkd</c>.</summary>
    VerbatimString,

    /// <summary><c>%</c>: keys, each with its value behind it.</summary>
    Map,

    /// <summary><c>|</c>: a map that is said about the value behind it.</summary>
    Attribute,

    /// <summary><c>~</c>: values that are all different, which nobody checks.</summary>
    Set,

    /// <summary><c>&gt;</c>: an array that answers no command.</summary>
    Push,
}
