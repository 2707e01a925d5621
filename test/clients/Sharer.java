import java.security.Key;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.KeyGenerator;
import javax.crypto.SecretKey;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Sharer CONFIG TIMES: agrees on secrets (ECDH) with a key of a PKCS#11 token, and wraps and unwraps AES keys
 * with RSA keys of it; Java's own providers are the other side.
 */
public class Sharer
{
    private static Provider token;

    public static void main(String[] args) throws Exception
    {
        token = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.addProvider(token);
        KeyStore.getInstance("PKCS11", token).load(null, System.getenv("CLIENT_PIN").toCharArray());
        KeyPairGenerator maker = KeyPairGenerator.getInstance("RSA", token);
        maker.initialize(2048);
        KeyPair rsa = maker.generateKeyPair();
        int shared = 0;
        for (int i = 0; i < Integer.parseInt(args[1]); i++) {
            agree("secp256r1");
            agree("secp384r1");
            wrap(rsa);
            unwrap(rsa);
            shared += 4;
        }
        System.out.println("shared " + shared);
    }

    private static KeyPair pair(Provider provider, String curve) throws Exception
    {
        KeyPairGenerator maker = KeyPairGenerator.getInstance("EC", provider);
        maker.initialize(new ECGenParameterSpec(curve));
        return maker.generateKeyPair();
    }

    private static byte[] secret(Provider provider, PrivateKey own, PublicKey other) throws Exception
    {
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH", provider);
        agreement.init(own);
        agreement.doPhase(other, true);
        return agreement.generateSecret();
    }

    private static PublicKey open(PublicKey key) throws Exception
    {
        return KeyFactory
            .getInstance(key.getAlgorithm(), key.getAlgorithm().equals("EC") ? "SunEC" : "SunRsaSign")
            .generatePublic(new X509EncodedKeySpec(key.getEncoded()));
    }

    private static void agree(String curve) throws Exception
    {
        Provider plain = Security.getProvider("SunEC");
        KeyPair ours = pair(token, curve), theirs = pair(plain, curve);
        byte[] secret = secret(token, ours.getPrivate(), theirs.getPublic());
        if (!Arrays.equals(secret, secret(plain, theirs.getPrivate(), open(ours.getPublic()))))
            throw new SecurityException("two secrets: " + curve);
        System.out.println("agreed " + curve);
    }

    private static byte[] encrypt(Provider provider, Key key) throws Exception
    {
        Cipher aes = Cipher.getInstance("AES/CBC/NoPadding", provider);
        aes.init(Cipher.ENCRYPT_MODE, key, new IvParameterSpec(new byte[16]));
        return aes.doFinal(new byte[64]);
    }

    private static void same(byte[] a, byte[] b, String what)
    {
        if (!Arrays.equals(a, b))
            throw new SecurityException(what + " another key");
        System.out.println(what);
    }

    /** A key of the token, wrapped and unwrapped there: it gives no value out. */
    private static void wrap(KeyPair rsa) throws Exception
    {
        KeyGenerator maker = KeyGenerator.getInstance("AES", token);
        maker.init(256);
        SecretKey key = maker.generateKey();
        Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
        cipher.init(Cipher.WRAP_MODE, rsa.getPublic());
        byte[] wrapped = cipher.wrap(key);
        cipher.init(Cipher.UNWRAP_MODE, rsa.getPrivate());
        same(encrypt(token, key), encrypt(token, cipher.unwrap(wrapped, "AES", Cipher.SECRET_KEY)),
             "wrapped");
    }

    /** A key of ours, wrapped here, unwrapped on the token. */
    private static void unwrap(KeyPair rsa) throws Exception
    {
        byte[] value = new byte[16];
        new SecureRandom().nextBytes(value);
        SecretKey key = new SecretKeySpec(value, "AES");
        Cipher plain = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
        plain.init(Cipher.WRAP_MODE, open(rsa.getPublic()));
        Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
        cipher.init(Cipher.UNWRAP_MODE, rsa.getPrivate());
        same(encrypt(Security.getProvider("SunJCE"), key),
             encrypt(token, cipher.unwrap(plain.wrap(key), "AES", Cipher.SECRET_KEY)), "unwrapped");
    }
}
